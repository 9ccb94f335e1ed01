import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["boto3", "lightgbm", "sklearn"])
def test_the_package_imports_late_what_only_some_tasks_need(module: str) -> None:
    code = f"import gokart_pipeline_sample, sys; print({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
