"""Make the tables of the example from the raw table of palmerpenguins (CC0).

python make_tables.py path/to/penguins-raw.csv
"""

import sys
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parent
NAMES = {
    "Island": "island",
    "Culmen Length (mm)": "bill_length_mm",
    "Culmen Depth (mm)": "bill_depth_mm",
    "Flipper Length (mm)": "flipper_length_mm",
    "Body Mass (g)": "body_mass_g",
    "Delta 15 N (o/oo)": "delta_15_n",
    "Delta 13 C (o/oo)": "delta_13_c",
}


def make_tables(raw_table: Path) -> None:
    """Write the penguins of known sex to ``penguins.csv``, and the others, without a sex, to ``new_penguins.csv``."""
    raw = pd.read_csv(raw_table, dtype=str, keep_default_na=False)
    table = raw[[*NAMES]].rename(columns=NAMES)
    table.insert(0, "id", raw["studyName"] + "-" + raw["Individual ID"])  # A bird has one number per study.
    table.insert(1, "species", raw["Species"].str.split().str[0])
    is_known = raw["Sex"] != "NA"
    table[is_known].assign(sex=raw["Sex"].str.lower()).to_csv(FOLDER / "penguins.csv", index=False)
    table[~is_known].to_csv(FOLDER / "new_penguins.csv", index=False)


if __name__ == "__main__":
    make_tables(Path(sys.argv[1]))
