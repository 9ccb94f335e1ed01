"""Make the tables of the example from the raw table of palmerpenguins (CC0).

python make_tables.py path/to/penguins-raw.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
COLUMNS = {
    "island": "Island",
    "bill_length_mm": "Culmen Length (mm)",
    "bill_depth_mm": "Culmen Depth (mm)",
    "flipper_length_mm": "Flipper Length (mm)",
    "body_mass_g": "Body Mass (g)",
    "delta_15_n": "Delta 15 N (o/oo)",
    "delta_13_c": "Delta 13 C (o/oo)",
}


def make_tables(raw_table: Path) -> None:
    """Write the penguins of known sex to ``penguins.csv``, and the others, without a sex, to ``new_penguins.csv``."""
    with raw_table.open(newline="") as file:
        raw_rows = list(csv.DictReader(file))
    known = [{**rename(row), "sex": row["Sex"].lower()} for row in raw_rows if row["Sex"] != "NA"]
    unknown = [rename(row) for row in raw_rows if row["Sex"] == "NA"]
    for name, rows in (("penguins.csv", known), ("new_penguins.csv", unknown)):
        with (FOLDER / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def rename(row: dict[str, str]) -> dict[str, str]:
    """Return a row with short column names; a bird has one number per study, so the two together identify it."""
    return {
        "id": f"{row['studyName']}-{row['Individual ID']}",
        "species": row["Species"].split()[0],
        **{name: row[raw_name] for name, raw_name in COLUMNS.items()},
    }


if __name__ == "__main__":
    make_tables(Path(sys.argv[1]))
