"""Take the screenshots of the documentation: the report of a run, and luigi's own visualiser after the run.

python test/take_screenshots.py     (make screenshots; needs Chromium)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from support.browser import browsing
from support.checkout import make_environment
from support.luigid import list_tasks, scheduling

PROJECT = Path(__file__).resolve().parents[1]
DOCS = PROJECT / "docs"
TASK = "gokart_pipeline_sample.RunTask"
# Few enough that some rows are misclassified, so that the report has something to show.
FEW_ROUNDS = ("--gokart-pipeline-sample.TrainTask-num-boost-round", "20")


def main() -> None:
    """Run the pipeline under luigi's central scheduler, and take both screenshots."""
    with tempfile.TemporaryDirectory() as name, scheduling(Path(name)) as port, browsing() as browser:
        directory = Path(name)
        ini = directory / "param.ini"
        settings = (PROJECT / "conf" / "param.ini").read_text()
        ini.write_text(settings.replace("./resources", str(directory / "resources")))
        subprocess.run(
            [sys.executable, str(PROJECT / "main.py"), TASK, "--scheduler-port", str(port), *FEW_ROUNDS],
            env=make_environment(LUIGI_CONFIG_PATH=str(ini)),
            check=True,
        )
        (report,) = (directory / "resources" / "runs").glob("*.html")
        (root,) = (task_id for task_id, task in list_tasks(port).items() if task["name"] == TASK)
        visualiser = f"http://127.0.0.1:{port}/static/visualiser/index.html#tab=graph&visType=svg&taskId={root}"
        with browser.new_page(viewport={"width": 1280, "height": 1000}) as page:
            page.goto(report.as_uri())
            page.screenshot(path=DOCS / "report.png")
            # Taller than the graph, so that no other part of the page overlaps it.
            page.set_viewport_size({"width": 1280, "height": 1600})
            page.goto(visualiser)
            page.locator("#graphPlaceholder svg", has_text="LoadDataTask").screenshot(path=DOCS / "luigid.png")


if __name__ == "__main__":
    main()
