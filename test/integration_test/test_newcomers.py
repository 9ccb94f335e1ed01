"""Tables as other programs write them become a published object with what the program itself says."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import CHAIN, Checkout

pytestmark = pytest.mark.long

ROWS = 1_000
GENERATOR = np.random.default_rng(1)
X, Y = GENERATOR.normal(size=(2, ROWS)).round(2)
IS_POSITIVE = X + Y > 0
TIMES = pd.date_range("2024-01-01", periods=ROWS, freq="h")


def write_excel(folder: Path) -> Path:
    """A CSV file in CP932, with Japanese names and values, as Excel saves it in Japan."""
    columns = {
        "顧客番号": [f"{number:05d}" for number in range(ROWS)],
        "地域": GENERATOR.choice(["東京", "大阪", "福岡"], ROWS),
        "ｶﾞｽ料金": (1_000 + 100 * X).round(1),
        "面積㎡": Y,
        "解約": np.where(IS_POSITIVE, "はい", "いいえ"),
    }
    pd.DataFrame(columns).to_csv(folder / "顧客.csv", index=False, encoding="cp932", lineterminator="\r\n")
    return folder / "顧客.csv"


def write_european_excel(folder: Path) -> Path:
    """A CSV file with semicolons and decimal commas, as Excel saves it in much of Europe."""
    columns = {"Nr": range(1, ROWS + 1), "Größe": X, "Preis €": Y, "Sorte": np.where(IS_POSITIVE, "gut", "schlecht")}
    pd.DataFrame(columns).to_csv(folder / "verkauf.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    return folder / "verkauf.csv"


def write_mysql(folder: Path) -> Path:
    """A dump in which all cells have quotes but those without a value, and some have quotes and nothing else."""
    lines = ['"id","age","score","city","paid_at","churn"']
    for number in range(ROWS):
        cells = [
            f'"{number + 1}"',
            r"\N" if number % 10 == 0 else f'"{int(30 + 10 * X[number])}"',
            '""' if number % 15 == 0 else f'"{Y[number]}"',
            r"\N" if number % 20 == 0 else f'"{"ab"[number % 2]}"',
            r"\N" if number % 7 == 0 else f'"{TIMES[number]}"',
            f'"{int(IS_POSITIVE[number])}"',
        ]
        lines.append(",".join(cells))
    (folder / "dump.csv").write_text("\n".join([*lines, ""]))
    return folder / "dump.csv"


def write_spark(folder: Path) -> Path:
    """A folder of Parquet files, one for each day, with INT96 timestamps, of which one is out of range."""
    times = [*TIMES.to_pydatetime().tolist()[:-1], pd.Timestamp("9999-12-31").to_pydatetime()]
    columns = {
        "event_id": [f"e{number}" for number in range(ROWS)],
        "at": pa.array(times, pa.timestamp("us")),
        "x": X,
        "y": Y,
        "label": pa.array(IS_POSITIVE).cast(pa.int32()),
    }
    for day in range(2):
        part = folder / "events" / f"dt=2024-01-0{day + 1}"
        part.mkdir(parents=True)
        rows = pa.table(columns)[day * ROWS // 2 :][: ROWS // 2]
        pq.write_table(rows, part / "part-00000.snappy.parquet", use_deprecated_int96_timestamps=True)
    (folder / "events" / "_SUCCESS").touch()
    return folder / "events"


def write_pandas(folder: Path) -> Path:
    """A frame as pandas writes it, with its index and zoned times."""
    columns = {"user": [f"u{number}" for number in range(ROWS)], "at": TIMES.tz_localize("Asia/Tokyo")}
    pd.DataFrame({**columns, "x": X, "y": Y, "ok": IS_POSITIVE}).to_csv(folder / "frame.csv")
    return folder / "frame.csv"


DIALOGUES = {
    "Excel in Japan": (
        write_excel,
        ("--id", "顧客番号", "--target", "解約", "--name", "customers"),
        "note: encoding=cp932, because the files of the table look so",
    ),
    "Excel in Europe": (
        write_european_excel,
        ("--id", "Nr", "--target", "Sorte"),
        "note: delimiter=;, because the files of the table look so\nnote: decimal=,, because",
    ),
    "MySQL": (write_mysql, ("--id", "id", "--target", "churn"), "note: 'score': Read as missing: '' (67)."),
    "Spark": (write_spark, ("--id", "event_id", "--target", "label"), "note: 1 of 1,000 rows are bad: 'at' (1); "),
    "pandas": (write_pandas, ("--id", "user", "--target", "ok"), "note: '': pandas names the numbers of rows so; "),
}


@pytest.mark.parametrize(("write", "options", "note"), DIALOGUES.values(), ids=DIALOGUES)
def test_from_the_file_to_a_published_object(
    checkout: Checkout,
    bucket: str,
    s3: S3Client,
    write: Callable[[Path], Path],
    options: tuple[str, ...],
    note: str,
) -> None:
    table = write(checkout.directory)
    adopted = checkout.main("--new-table", str(table), *options, "--yes")
    assert adopted.exit_code == 0, adopted.stderr
    assert note in adopted.stdout
    assert adopted.stdout.splitlines()[-1].endswith(f"and run: {checkout.command}")

    run = checkout.main()

    assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
    content = s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read()
    published = pd.read_csv(BytesIO(content), dtype=str, encoding="utf-8")
    ids = [f"{number:05d}" for number in range(ROWS)] if "customers" in options else None
    assert len(published) == ROWS // 5
    assert ids is None or set(published["id"]) <= set(ids)


def test_a_name_that_makes_no_module_is_asked_for(checkout: Checkout) -> None:
    table = write_excel(checkout.directory)
    run = checkout.main("--new-table", str(table), "--id", "顧客番号", "--target", "解約", "--yes")
    assert run.exit_code == 2
    assert run.stderr.splitlines()[-1].endswith(
        "makes no name of a module: give --name letters, digits and underscores"
    )
