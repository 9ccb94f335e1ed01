"""Measure training for a number on 200,000 rows of 60 features, of which 5 % of the values are missing.

python benchmark/number_target.py     (make bench-numbers; a few minutes)

It prints the mean absolute error (MAE) of the test rows in multiples of that of a plain script, which has the same
split, parameters of LightGBM and seed, and the share of the test rows within their intervals, beside the one asked
for. The exit status is 1 if the MAE is more than 1.02 times the other, or the shares differ by more than 0.02.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from environment import PROJECT

sys.path.append(str(PROJECT / "test"))
from support.checkout import Checkout, make_environment
from support.numbers import adopt, read_newest, train_plainly

from pipeline_runner.local_s3 import embedded_s3

ROWS, FEATURES, MISSING, LEVEL = 200_000, 60, 0.05, 0.9


def make_table() -> pd.DataFrame:
    """Make up rows; the more certain their target, the smaller one of the features."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(ROWS, FEATURES))
    middle = 5 * values[:, :10] @ generator.normal(size=10) + 4 * values[:, 10] * values[:, 11] + values[:, 12] ** 2
    target = 100 + middle + generator.normal(size=ROWS) * (1 + np.exp(values[:, 13]))
    values[generator.random(values.shape) < MISSING] = np.nan
    data = pd.DataFrame(values, columns=[f"x{number}" for number in range(FEATURES)])
    return data.assign(id=np.arange(ROWS), target=target)


def main() -> int:
    """Print the figures; return the exit status."""
    folder = Path(tempfile.mkdtemp())
    with embedded_s3.running(folder / "s3") as server:
        server.wait_until_ready()
        server.connect().create_bucket(Bucket="numbers")
        checkout = Checkout.create(
            folder / "checkout", make_environment(**{**server.environment(), "BUCKET_NAME": "numbers"})
        )
        adopt(checkout, table := make_table())
        run = checkout.main(
            *("gokart_pipeline_sample.RunTask", "--local-scheduler"),
            *("--gokart-pipeline-sample.TrainTask-interval", str(LEVEL)),
            *("--gokart-pipeline-sample.EvaluateTask-permutation-repeats", "0"),
        )
    if run.exit_code:
        print(run.stderr)
        return run.exit_code
    metrics, (model, test) = read_newest(checkout, "metrics_*.json"), train_plainly(table)
    predicted = np.asarray(model.predict(test[model.feature_name()]))
    plain, mae = float(np.abs(predicted - test["target"]).mean()), metrics["model"]["mae"]
    baseline = metrics["baseline"]["mae"]
    print(f"MAE {mae:.5f}, of the plain script {plain:.5f}: ratio {mae / plain:.5f}; of the median {baseline:.5f}")
    print(f"coverage {metrics['coverage']:.4f} of {metrics['rows']} test rows, asked for {LEVEL}")
    shutil.rmtree(folder)
    return int(mae > 1.02 * plain or abs(metrics["coverage"] - LEVEL) > 0.02)


if __name__ == "__main__":
    sys.exit(main())
