"""Make a table of random flowers without a target, of any size, in little memory.

python benchmark/make_table.py ROWS PATH [--shuffle]     PATH ends in .csv or .parquet
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

CHUNK_ROWS = 500_000
LENGTHS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SCHEMA = pa.schema([("id", pa.int64()), *((name, pa.float64()) for name in LENGTHS)])


def make_chunks(rows: int, shuffle: bool) -> Iterator[pa.RecordBatch]:
    """Make the rows in chunks; they are the same on every run.

    Args:
        rows: number of rows.
        shuffle: whether the ids are unordered instead of row numbers.
    """
    generator = np.random.default_rng(42)
    for start in range(0, rows, CHUNK_ROWS):
        numbers = np.arange(start, min(start + CHUNK_ROWS, rows))
        # Multiplication by an odd number keeps them distinct: it has an inverse modulo 2**63.
        ids = (numbers * 0x5DEECE66D1CE4E5B) & (2**63 - 1) if shuffle else numbers
        lengths = [generator.uniform(0.1, 8.0, len(numbers)).round(1) for _ in LENGTHS]
        yield pa.record_batch([ids, *lengths], schema=SCHEMA)


def main() -> None:
    """Write the table that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--shuffle", action="store_true", help="ids in no order")
    arguments = parser.parse_args()
    open_writer = pacsv.CSVWriter if arguments.path.suffix == ".csv" else pq.ParquetWriter
    with open_writer(arguments.path, SCHEMA) as writer:
        for chunk in make_chunks(arguments.rows, arguments.shuffle):
            writer.write_batch(chunk)


if __name__ == "__main__":
    main()
