"""Write a large table, chunk by chunk.

python benchmark/make_table.py ROWS PATH [--shuffle] [--features N] [--classes N] [--target]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

CHUNK_ROWS = 500_000
LENGTHS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def make_chunks(rows: int, shuffle: bool, features: int, classes: int) -> Iterator[pa.RecordBatch]:
    """Make the rows in chunks; they are the same on every run.

    Args:
        rows: number of rows.
        shuffle: whether the ids are unordered instead of row numbers.
        features: number of features, which are normally distributed; flowers without any.
        classes: number of classes of the target, which depends on the first features; no target without any.
    """
    generator = np.random.default_rng(42)
    for start in range(0, rows, CHUNK_ROWS):
        numbers = np.arange(start, min(start + CHUNK_ROWS, rows))
        # Multiplication by an odd number keeps them distinct: it has an inverse modulo 2**63.
        ids = (numbers * 0x5DEECE66D1CE4E5B) & (2**63 - 1) if shuffle else numbers
        if features:
            columns = {f"x{number}": generator.normal(size=len(numbers)) for number in range(features)}
        else:
            columns = {name: generator.uniform(0.1, 8.0, len(numbers)).round(1) for name in LENGTHS}
        if classes:
            one, two, three, *_ = columns.values()
            score = one + two * three + np.sin(3 * two) + generator.normal(scale=0.5, size=len(numbers))
            columns["target"] = np.searchsorted(np.quantile(score, np.arange(1, classes) / classes), score)
        yield pa.record_batch({"id": ids, **columns})


def main() -> None:
    """Write the table that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--shuffle", action="store_true", help="ids in no order")
    parser.add_argument("--features", type=int, default=0, help="number of features; those of iris by default")
    parser.add_argument("--classes", type=int, default=0, help="number of classes of the target; none by default")
    arguments = parser.parse_args()
    chunks = make_chunks(arguments.rows, arguments.shuffle, arguments.features, arguments.classes)
    first = next(chunks)
    open_writer = pacsv.CSVWriter if arguments.path.suffix == ".csv" else pq.ParquetWriter
    with open_writer(arguments.path, first.schema) as writer:
        writer.write_batch(first)
        for chunk in chunks:
            writer.write_batch(chunk)


if __name__ == "__main__":
    main()
