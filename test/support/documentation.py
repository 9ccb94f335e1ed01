"""The commands that the documentation shows, and those of them that no test can run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

from support.checkout import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
SHELL = ("bash", "console")
# The reader runs these. A block of another language is a single command, which its first line stands for.
LANGUAGES = (*SHELL, "python", "sql")
# Commands that are not run here, by the reason.
NOT_RUN = {
    "a server in the foreground": [
        "luigid --address 127.0.0.1",
        "dask scheduler",
        "dask worker tcp://your-scheduler:8786",
    ],
    "needs such a server: test_several_runs.py runs it with a luigid": [
        "python main.py --scheduler-host localhost",
    ],
    "needs a cluster: test_dask_scoring.py and test_dask_training.py run it with one": [
        "python main.py RunBatchTask --table s3://your-bucket/new_flowers"
        " --ScoreTableTask-dask-scheduler tcp://your-scheduler:8786",
        "python main.py RunDistributedTask --table s3://your-bucket/flowers"
        " --ranks 4 --ScoreTableTask-dask-scheduler tcp://your-scheduler:8786",
    ],
    "needs Docker": ["docker build --tag gokart-pipeline-sample ."],
    "needs a package index, or a name there: test_wheel.py builds and installs the wheel without one": [
        'pip install "gokart-pipeline-sample[dask]"',
        "poetry build --format wheel",
        'pip install "$(ls dist/*.whl)[local,report]"',
        "gokart-pipeline-sample --help",
    ],
    "the bucket is the reader's": ["SET VARIABLE bucket = 's3://your-bucket/';"],
    "needs a database: test_snapshot.py and test_deliver.py run them with one": [
        "SELECT id, species, petal_length, CAST(price AS double precision) AS price FROM flowers WHERE day <= :as_of",
        "python main.py SnapshotTableTask --source warehouse --query-file flowers.sql --as-of 2026-11-29"
        " --to s3://your-bucket/flowers",
        "python main.py --new-table s3://your-bucket/flowers/latest.json --id id --target species --name flowers",
        "python main.py ScoreChampionTask --table s3://your-bucket/new_flowers/latest.json"
        " --deliver-to warehouse:analytics.flower_predictions",
        "python main.py DeliverBatchTask --source warehouse --into analytics.flower_predictions",
    ],
    "a module that reads files of the reader: test_snapshot.py runs that of DuckDB": ["from typing import Any"],
    "a part of a module: hard_table.py has a whole one": [
        "class ModelInputSchema(PreprocessedSchema):",
        "day: Series[pd.Timestamp] = pa.Field(metadata=KEEP)",
        "customer: Series[int] | None = pa.Field(metadata=GROUP)",
        'body_mass_g: Series[int] | None = pa.Field(metadata=TARGET | {"unit": "g"})',
    ],
    "follows a change by hand: test_example.py runs it": [
        "python main.py     # the sex of 67 penguins, with an accuracy of 0.91",
        "python main.py RunBatchTask     # and of 9 of the 11",
    ],
    "a module, and what needs it: test_find_better_settings.py runs them": [
        '"""Search LightGBM\'s parameters by the loss of the validation rows."""',
        "echo 'from gokart_pipeline_sample.pipeline.tune import TuneTask as TuneTask'"
        " >> gokart_pipeline_sample/__init__.py",
        "python main.py TuneTask --trials 40",
        "python main.py TuneTask --trials 40 --workers 2 --TrainTask-threads 1",
    ],
    "changes every file: test_rename.py runs it": ["make rename NAME=your_name"],
    "takes minutes, and runs this test": ["make lint test"],
    "takes half an hour": ["make bench"],
}


def find_blocks(page: Path) -> list[tuple[str, list[str]]]:
    """The language and the commands of each block of code; a shell's are its lines, without the prompt."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [
        (language, re.sub(r"(?m)^\$ ", "", code).splitlines() if language in SHELL else [code])
        for language, code in blocks
        if language in LANGUAGES
    ]


def is_run(command: str) -> bool:
    """Whether a command is to be run; comments at its end may differ between the places where it stands."""
    shown = command.partition("\n")[0]
    names = (shown.strip(), re.split(r"\s+# ", shown)[0].strip())
    return not any(name in commands for commands in NOT_RUN.values() for name in names)
