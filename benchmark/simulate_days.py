"""Simulate sixty days of production: a growing table, a training a day, new rows with and without trouble.

python benchmark/simulate_days.py [TARGET] [DAYS]     (make simulate: kind, a class, and then amount, a number)

Each day a model is trained on the labelled rows, and new rows are scored with the champion; their truth is known to the
simulation alone. The copy of the project that it runs in has a table of its own.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
SEED, DAYS = 7, 60
FIRST_ROWS, LABELLED_A_DAY, NEW_ROWS = 20_000, 1_000, 5_000
MARGIN, CLEAN_ROWS, LATE_DAYS = 0.01, 50_000, 7
KINDS = ("a", "b", "c")
SITES = {"north": 0.5, "south": 0.3, "west": 0.2}
TROUBLES = {
    **dict.fromkeys(range(26, 31), "relation"),
    **dict.fromkeys(range(31, 36), "covariates"),
    **dict.fromkeys(range(36, 41), "labels"),
    **dict.fromkeys(range(41, 46), "sensor"),
    **dict.fromkeys(range(46, 51), "category"),
    **dict.fromkeys(range(51, 54), "poisoned"),
    **dict.fromkeys(range(54, 57), "careless"),
}
OFF, MISSED, FALSE, WORSE, LATE, UNHEARD, RUNG = CLAIMS = (
    "estimates off by more than 0.02, or a tenth of the error, on days when at most the features shift",
    "days with a break and without an alarm",
    "days without a break and with an alarm",
    "champions replaced by one that is worse by more than the margin, on 50,000 rows without trouble",
    "late evaluations that differ from the truth",
    "days with another relation of features and target whose late labels raise no alarm",
    "days without trouble whose late labels raise an alarm",
)
TARGETS = {"kind": "require_acc=0.8", "amount": "require=mae<0.5*baseline"}  # and what the gate requires
QUICKLY = """
[gokart_pipeline_sample.TrainTask]
learning_rate=0.2
[gokart_pipeline_sample.EvaluateTask]
permutation_repeats=0
"""
# Days whose new rows are unlike the others.
ALARMING = {"covariates", "labels", "sensor", "category"}
TROUBLED = {*ALARMING, "relation"}


def make_rows(generator: np.random.Generator, rows: int, first_id: int, trouble: str = "") -> pd.DataFrame:
    """Make rows with their truths, which depend on the features in the same way, unless the relation is the trouble.

    Then what heat did is undone, and no feature shows that. The amount scatters the more, the greater the load.
    """
    count = rows * 4 if trouble == "labels" else rows
    data = pd.DataFrame(generator.normal(size=(count, 4)), columns=["speed", "load", "noise", "heat"])
    if trouble == "covariates":
        # Nearer to where the kinds meet, and where amounts scatter: harder.
        data[["speed", "load"]] *= 0.5
        data["load"] += 0.5
    data["site"] = generator.choice(list(SITES), p=list(SITES.values()), size=count)
    heat = data["heat"] * (0 if trouble == "relation" else 1)
    scores = np.column_stack(
        [
            3.5 * data["speed"] + heat,
            3.5 * data["load"] + (data["site"] == "south") * 2 - 1,
            2.5 * heat - data["speed"] * data["load"],
        ]
    )
    data["kind"] = np.array(KINDS)[(2 * scores + generator.gumbel(size=scores.shape)).argmax(axis=1)]
    scatter = 0.5 + 1.5 / (1 + np.exp(-2 * data["load"]))
    mean = 20 + 4 * data["speed"] + 3 * np.abs(data["load"]) + 3 * heat + (data["site"] == "south") * 2
    data["amount"] = mean + scatter * generator.normal(size=count)
    if trouble == "labels":
        wanted = data["kind"].map({"a": 0.6, "b": 0.25, "c": 0.15}) / data["kind"].map(data["kind"].value_counts())
        data = data.sample(rows, weights=wanted, random_state=generator).reset_index(drop=True)
    if trouble == "sensor":
        data["heat"] = data["heat"].where(generator.random(rows) > 0.3, 0.0)
    if trouble == "category":
        data["site"] = data["site"].where(generator.random(rows) > 0.05, "east")
    data.insert(0, "id", [f"row {first_id + number}" for number in range(rows)])
    return data


def poison(table: pd.DataFrame, target: str, generator: np.random.Generator) -> pd.DataFrame:
    """Give a third of the rows the label of another row."""
    hit = generator.random(len(table)) < 0.33
    return table.assign(**{target: table[target].where(~hit, generator.permutation(table[target]))})


def prepare(folder: Path, target: str) -> None:
    """Make a copy of the project whose table is that of the simulation."""
    for name in ("main.py", "conf", "gokart_pipeline_sample", "pipeline_runner"):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy2
        copy(PROJECT / name, folder / name)
    (other,) = TARGETS.keys() - {target}
    rows = make_rows(np.random.default_rng(SEED), FIRST_ROWS, 0).drop(columns=other)
    rows.to_csv(folder / "table.csv", index=False)
    command = [sys.executable, "main.py", "--new-table", "table.csv", "--id", "id", "--target", target, "--yes"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    schema = folder / "gokart_pipeline_sample" / "pipeline" / "schemas" / "table_feature.py"
    text = schema.read_text()
    closed = f"site: Series[str] = pa.Field(isin={sorted(SITES)})".replace("'", '"')
    if closed not in text:
        raise ValueError(f"{schema} does not list the sites:\n{text}")
    # A new site is to be scored, and noticed.
    schema.write_text(text.replace(closed, "site: Series[str]"))
    ini, section = folder / "conf" / "param.ini", "[gokart_pipeline_sample.CheckAccuracyTask]\n"
    settings = ini.read_text().replace("require_acc=0.9\n", "")
    ini.write_text(settings.replace(section, f"{section}{TARGETS[target]}\n") + QUICKLY)


def simulate(target: str, days: int) -> None:
    """Run the pipeline each day in this process, and print what happened."""
    import gokart
    import luigi

    from gokart_pipeline_sample import EvaluatePublishedTask, ScoreChampionTask, TrainChampionTask
    from pipeline_runner.notebook import configured

    logging.disable(logging.WARNING)
    generator = np.random.default_rng(SEED)
    table, clean = pd.read_csv("table.csv"), make_rows(generator, CLEAN_ROWS, 10**12)
    columns, figure = [*table], "accuracy" if target == "kind" else "mae"
    champion_day, quality, late = 0, 0.0, list[tuple[str, pd.DataFrame, float, str]]()
    found = dict.fromkeys(CLAIMS, 0)
    print("day  trouble     champion of    true   estimated (95% interval)   late labels   alarms")
    for day in range(1, days + 1):
        trouble = TROUBLES.get(day, "")
        training = poison(table, target, generator) if trouble == "poisoned" else table
        training.to_csv("table.csv", index=False)
        new = make_rows(generator, NEW_ROWS, 10**9 + day * NEW_ROWS, trouble)
        new[columns].drop(columns=target).to_csv("new.csv", index=False)
        with configured():
            if trouble == "careless":
                luigi.configuration.get_config().set("gokart_pipeline_sample.TrainTask", "num_boost_round", "3")
            chosen = train(TrainChampionTask())
            scoring = ScoreChampionTask(table="new.csv")
            pointer = gokart.build(scoring, log_level=logging.CRITICAL)
            manifest = scoring.requires().score_task.output().load()
            true = measure(read_parts(manifest), new, target)
            late.append((pointer["manifest"], new, true, trouble))
            if chosen and chosen["decision"].startswith("promoted"):
                before, quality, champion_day = quality, measure_quality(chosen["champion"], clean, target), day
                worse = before - quality if target == "kind" else (quality / before - 1 if before else 0)
                found[WORSE] += worse > MARGIN
            evaluated = ""
            if day > LATE_DAYS:
                key, truth, expected, was = late[day - LATE_DAYS - 1]
                truth[["id", target]].to_csv("truth.csv", index=False)
                evaluating = EvaluatePublishedTask(manifest=key, table="truth.csv")
                evaluation = gokart.build(evaluating, log_level=logging.CRITICAL)
                found[LATE] += not math.isclose(evaluation[figure], expected, rel_tol=1e-9)
                found[UNHEARD] += was == "relation" and not evaluation["alarms"]
                found[RUNG] += was not in TROUBLED and bool(evaluation["alarms"])
                evaluated = f"{evaluation[figure]:.3f}{' rings' if evaluation['alarms'] else ''}"
        estimate, alarms = manifest["shift"][f"estimated_{figure}"], pointer["alarms"]
        print(
            f"{day:3}  {trouble:10}  day {champion_day:2}       {true:.3f}   {estimate[figure]:.3f} "
            f"({estimate['low']:.3f} to {estimate['high']:.3f})     {evaluated:11}   "
            f"{len(alarms)} {alarms[0].partition(':')[0] if alarms else ''}".rstrip(),
            flush=True,
        )
        allowed = 0.02 if target == "kind" else true / 10
        found[OFF] += trouble in ("", "covariates") and abs(true - estimate[figure]) > allowed
        found[MISSED] += trouble in ALARMING and not alarms
        found[FALSE] += trouble not in ALARMING and bool(alarms)
        fresh = make_rows(generator, LABELLED_A_DAY, day * LABELLED_A_DAY + FIRST_ROWS)
        table = pd.concat([table, fresh[columns]], ignore_index=True)
    print()
    for claim, number in found.items():
        print(f"{number:3}  {claim}")


def train(task: Any) -> dict[str, Any] | None:
    """Return the pointer to the champion after a training; None if no model meets the gate, and the pointer stays."""
    import gokart
    from gokart.build import GokartBuildError

    try:
        pointer: dict[str, Any] = gokart.build(task, log_level=logging.CRITICAL)
    except GokartBuildError:
        return None
    return pointer


def measure(predicted: pd.DataFrame, truth: pd.DataFrame, target: str) -> float:
    """Return the accuracy or the mean absolute error of predictions, which have the ids of the truth."""
    found, known = predicted.set_index("id")["pred"].loc[truth["id"]].to_numpy(), truth[target].to_numpy()
    return float((found == known).mean() if target == "kind" else np.abs(found - known).mean())


def measure_quality(champion: str, clean: pd.DataFrame, target: str) -> float:
    """Return the accuracy or the mean absolute error of a champion on many rows without trouble."""
    from gokart_pipeline_sample.pipeline.champion.load_champion import LoadChampionTask
    from gokart_pipeline_sample.pipeline.pred import PredTask
    from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask

    model = LoadChampionTask(champion=champion).output()["model"].load()
    rows = clean.drop(columns=TARGETS.keys() - {target})
    return measure(PredTask.predict(model, PreprocessTask.preprocess(rows)), clean, target)


def read_parts(manifest: dict[str, Any]) -> pd.DataFrame:
    """Read the published rows."""
    from io import BytesIO

    from gokart_pipeline_sample.io.s3 import get_object

    contents = [get_object(os.environ["BUCKET_NAME"], part["key"])[0] for part in manifest["parts"]]
    return pd.concat([pd.read_csv(BytesIO(content)) for content in contents])


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        simulate(sys.argv[2], int(sys.argv[3]))
    else:
        chosen, number = [*sys.argv[1:], *("kind", str(DAYS))[len(sys.argv) - 1 :]]
        with tempfile.TemporaryDirectory() as directory:
            prepare(Path(directory), chosen)
            inside = [sys.executable, __file__, "inside", chosen, number]
            environment = {**os.environ, "PYTHONPATH": directory}
            sys.exit(subprocess.run(inside, cwd=directory, env=environment, check=False).returncode)
