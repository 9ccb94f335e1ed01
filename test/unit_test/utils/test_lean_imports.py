import subprocess
import sys

import pytest

PREPARE = "from gokart_pipeline_sample.utils.lean_imports import prepare_for_tasks; prepare_for_tasks()"


def run(code: str) -> str:
    """Run code in a process that has imported nothing yet."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("module", ["redis", "apscheduler", "slack_sdk", "dask", "sklearn", "scipy", "lightgbm"])
def test_the_package_does_without(module: str) -> None:
    assert run(f"import gokart_pipeline_sample, sys; print({module!r} in sys.modules)") == "False"


def test_gokart_has_its_clients_when_it_needs_them() -> None:
    lock = "from gokart.conflict_prevention_lock import task_lock"
    client = "print(type(task_lock.RedisClient('host', 1).get_redis_client()).__module__)"
    assert run(f"import gokart_pipeline_sample; {lock}; {client}") == "redis.client"
    assert run("import gokart_pipeline_sample, redis, slack_sdk; print(redis.Redis, slack_sdk.WebClient)")


@pytest.mark.parametrize("client", ["redis", "slack_sdk"])
def test_a_client_that_the_program_has_imported_stays(client: str) -> None:
    imports = f"import {client}; before = {client}; import gokart_pipeline_sample; import {client}"
    assert run(f"{imports}; print(before is {client})") == "True"


def test_tasks_do_without_what_is_for_tests_and_readers() -> None:
    doc = "import scipy.stats; print('Array API' in scipy.stats.zscore.__doc__, 'hypothesis' in sys.modules)"
    assert run(f"import sys; {doc}") == "True False"
    assert run(f"import sys; {PREPARE}; {doc}") == "False False"
    # What has been left out can still be imported.
    assert run(f"{PREPARE}; import hypothesis; print(hypothesis.__name__)") == "hypothesis"


def test_schemas_are_checked_without_hypothesis() -> None:
    check = "from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema; OutputSchema.validate"
    code = f"import sys, pandas; {PREPARE}; {check}(pandas.DataFrame(dict(id=[1], pred=[2])))"
    assert run(f"{code}; print('hypothesis' in sys.modules)") == "False"


def test_predicting_and_training_do_without_scikit_learn() -> None:
    train = "lightgbm.train({'verbosity': -1}, lightgbm.Dataset(numpy.ones((9, 1)), numpy.arange(9)))"
    code = f"""
import sys
from gokart_pipeline_sample.utils.lean_imports import import_lightgbm_to_predict
import_lightgbm_to_predict()
import lightgbm, numpy
print({train}.predict(numpy.ones((1, 1))), "sklearn" in sys.modules)
"""
    assert run(code) == "[4.] False"
    # It can still be imported, and stays where it has been imported before.
    assert run(f"{code}import sklearn.metrics").endswith("False")
    assert run(f"import sklearn{code}print(lightgbm.LGBMClassifier())").endswith("LGBMClassifier()")


def test_shift_is_measured_without_what_takes_long_to_import() -> None:
    code = """
import sys
from gokart_pipeline_sample.pipeline.drift.shift import Distribution, compare
known = Distribution(starts=[0.0, 1.0], is_ordered=True, counts=[30, 0, 0, 0])
(shift,) = compare({"length": known}, {"length": [30, 0, 20, 0]}).values()
print(len(shift["alarms"]), {"sklearn", "scipy.stats", "scipy.spatial", "scipy.optimize"} & {*sys.modules})
"""
    assert run(code) == "2 set()"
