"""Error messages of one sentence that tell the user what to do."""

import re

from luigi.rpc import RPCError
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.errors import PipelineError
from gokart_pipeline_sample.pipeline.schemas.bad_rows import SHOWN_IDS, describe_breach
from gokart_pipeline_sample.pipeline.schemas.base import ID, column_roles
from pipeline_runner.errors import UsageError, advise
from pipeline_runner.masking import mask

LONGEST_SENTENCE = 1000


def describe(error: BaseException | str) -> str:
    """Describe an error in one line, without secrets.

    For a frame that breaks its schema, it names each column with the check, the number of rows and the first ids; an
    error of this project has its message, and any other error its type, message and cause.
    """
    if isinstance(error, str):  # luigi says that a worker has died.
        killed = "a worker was killed, mostly for lack of memory: give it more, or run with fewer --workers"
        return killed if error.endswith("exit code -9") else error
    if isinstance(error, RPCError):
        return "luigi's scheduler does not answer: add --local-scheduler, or start luigid"
    if isinstance(error, SchemaErrors):
        return mask(_describe_breaches(error))[:LONGEST_SENTENCE]
    # luigi names a task with all its arguments before the error.
    sentence = re.sub(r"\[args=\(.*?\), kwargs=\{.*?\}\]", "", " ".join(str(error).split()))
    if not isinstance(error, (PipelineError, UsageError)):
        sentence = f"{type(error).__name__}: {sentence}".removesuffix(": ") + advise(error)
    if error.__cause__ is not None and str(error.__cause__) not in sentence:
        sentence += f" ({describe(error.__cause__)})"
    return mask(sentence)[:LONGEST_SENTENCE]


def _describe_breaches(error: SchemaErrors) -> str:
    breaches = []
    for (column, check), cases in error.failure_cases.groupby(["column", "check"], sort=False):
        rows = cases["index"].dropna()
        value = cases["failure_case"].iloc[0]
        if check == "column_in_dataframe":
            breaches.append(f"the column {value} is missing")
        elif check == "column_in_schema":
            breaches.append(f"the column {value} is not described")
        elif rows.empty:
            breaches.append(f"{column} is {value} instead of {check}")
        else:
            (id_column,) = (name for name, role in column_roles(error.schema).items() if role == ID["role"])
            ids = error.data.loc[rows[:SHOWN_IDS], id_column].tolist()
            breaches.append(describe_breach(column, check, len(rows), id_column, ids))
    return f"the frame breaks {error.schema.name}: " + "; ".join(breaches)
