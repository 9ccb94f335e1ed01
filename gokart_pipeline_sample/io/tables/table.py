"""Tables to train on and tables to score."""

import csv
import functools
import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.casts import to_frame
from gokart_pipeline_sample.io.tables.csv_text import BLOCK_BYTES, DEFAULT_DIALECT, Dialect
from gokart_pipeline_sample.io.tables.diagnosis import explain
from gokart_pipeline_sample.io.tables.readers import is_json, read_csv, read_json, read_parquet, read_text
from gokart_pipeline_sample.io.tables.table_files import LocalFile, S3File, TableFile, list_files


def read_iris() -> pd.DataFrame:
    """Read the iris table that scikit-learn ships (Fisher 1936), without touching the network.

    It has 150 rows: ``id`` (int, the row number), ``sepal_length``, ``sepal_width``, ``petal_length``, ``petal_width``
    (float, cm), ``target`` (int: 0 setosa, 1 versicolor, 2 virginica).
    """
    from sklearn.datasets import load_iris

    iris: pd.DataFrame = load_iris(as_frame=True).frame
    iris.columns = iris.columns.str.removesuffix(" (cm)").str.replace(" ", "_")
    return iris.rename_axis(index="id").reset_index()


@dataclass(frozen=True)
class Chunk:
    """Rows of a table as they were read; whoever works on them converts them to the types of the schema."""

    batches: list[pa.RecordBatch]

    def __len__(self) -> int:
        return sum(map(len, self.batches))


Piece: TypeAlias = Chunk | range


class Table:
    """A table in CSV, JSON or Parquet files, see ``docs/tables.md``; a TableError if there is none.

    Its URI, or path, is that of a file, or of a folder of files, which are read in the order of their paths.
    """

    def __init__(self, uri: str, dialect: Dialect = DEFAULT_DIALECT, files: Sequence[TableFile] | None = None) -> None:
        self._uri, self.dialect = uri, dialect
        self.files = list_files(uri) if files is None else files

    def with_dialect(self, dialect: Dialect) -> Self:
        """Return the table with the same files, whose CSV files are read as a dialect."""
        return self if dialect == self.dialect else type(self)(self._uri, dialect, self.files)

    @property
    def fingerprint(self) -> str:
        """A hash of the content of the table, in hexadecimal digits."""
        told = (file.digest + "".join(f"\n{key}={value}" for key, value in file.keys.items()) for file in self.files)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def read(self, schema: pa.Schema, max_bytes: float = math.inf) -> pd.DataFrame:
        """Read the whole table as :meth:`read_chunks` does; raise a TableError if it takes more than ``max_bytes``."""
        data, size = Chunk([]), 0
        for batch in self._read_batches(schema):
            data.batches.append(batch)
            size += batch.nbytes
            if size > max_bytes:
                taken = f"the first {len(data):,} rows of {self._uri} take more than {max_bytes / 2**20:,.0f} MiB"
                raise TableError(f"{taken} of memory: train on a sample, or raise max_memory_share of LoadDataTask")
        return to_frame(data.batches, schema, self.dialect.decimal)

    def read_files(self) -> Iterator[tuple[dict[str, pa.ChunkedArray], dict[str, pa.ChunkedArray]]]:
        """Yield the columns of each file that have a type, and those of text whose type nothing tells."""
        for file in self.files:
            with _explaining(file, self.dialect), file.open() as content:
                read_typed = functools.partial(pq.read_table, content, coerce_int96_timestamp_unit="us")
                read = read_typed() if _is_parquet(file) else read_text(file, self.dialect)
            columns = dict(zip(read.column_names, read.columns, strict=True))
            told = {name: pa.repeat(pa.scalar(value, pa.string()), len(read)) for name, value in file.keys.items()}
            others = {name: pa.chunked_array([values]) for name, values in told.items() if name not in columns}
            yield (columns, others) if _is_parquet(file) else ({}, others | columns)

    def read_chunks(self, schema: pa.Schema, rows: int) -> Iterator[pd.DataFrame]:
        """Yield the columns of a schema in frames of that many rows: at least one, each with an index from 0.

        A column with a value that cannot be read as its type has dtype ``object`` and holds that value as text. A
        TableError names a file that cannot be read, lacks a column or has it with another type.
        """
        for chunk in self._read_chunks(schema, rows):
            yield to_frame(chunk.batches, schema, self.dialect.decimal)

    def list_pieces(self, schema: pa.Schema, rows: int, *, elsewhere: bool, as_text: bool = False) -> Iterator[Piece]:
        """List the chunks of :meth:`read_chunks` for workers, each either as it was read or as the numbers of its rows.

        Workers ``elsewhere``, in other processes, read Parquet files on S3 themselves. The cells of CSV files may stay
        text, so that they can be told as they are written.
        """
        count = sum(footer.num_rows for footer in self.footers) if elsewhere and self.is_shared else 0
        if not count:
            return self._read_chunks(schema, rows, as_text)
        return (range(count)[start : start + rows] for start in range(0, count, rows))

    def read_piece(self, schema: pa.Schema, piece: Piece) -> tuple[pd.DataFrame, list[pa.RecordBatch]]:
        """Read a chunk that :meth:`list_pieces` has listed, once, in this or in another process.

        Return the frame of :meth:`read_chunks`, and the batches as they were read.
        """
        batches: list[pa.RecordBatch] = []
        if isinstance(piece, Chunk):
            batches += piece.batches
            piece.batches.clear()  # Whoever has listed the piece still refers to it.
        else:
            first = 0
            for file, footer in zip(self.files, self.footers, strict=True):
                if piece.start < first + footer.num_rows and first < piece.stop:
                    with _explaining(file, self.dialect):
                        rows = range(piece.start - first, piece.stop - first)
                        batches += read_parquet(file, schema, rows, footer)
                first += footer.num_rows
        return to_frame(batches, schema, self.dialect.decimal), batches

    @functools.cached_property
    def footers(self) -> list[pq.FileMetaData]:
        """The metadata of each of the Parquet files; a copy in another process has them if this one has."""
        footers = []
        for file in self.files:
            with _explaining(file, self.dialect), file.open() as content:
                footers.append(pq.read_metadata(content))
        return footers

    @property
    def is_shared(self) -> bool:
        """Whether workers elsewhere can read its pieces: it consists of Parquet files on S3."""
        return all(isinstance(file, S3File) and _is_parquet(file) for file in self.files)

    def _read_chunks(self, schema: pa.Schema, rows: int, as_text: bool = False) -> Iterator[Chunk]:
        pending = Chunk([])
        for batch in self._read_batches(schema, as_text):
            rest = batch
            while (free := rows - len(pending)) < len(rest):
                yield Chunk([*pending.batches, rest[:free]])
                pending, rest = Chunk([]), rest[free:]
            pending.batches.append(rest)
        yield pending

    def _read_batches(self, schema: pa.Schema, as_text: bool = False) -> Iterator[pa.RecordBatch]:
        text = pa.schema([field.with_type(pa.string()) for field in schema])
        for file in self.files:
            read_text_file = functools.partial(read_json if is_json(file) else read_csv, dialect=self.dialect)
            read = read_parquet if _is_parquet(file) else read_text_file
            with _explaining(file, self.dialect):
                for batch in read(file, text if as_text and not _is_parquet(file) else schema):
                    if isinstance(file, LocalFile):
                        file.check_unchanged()  # Not only at the end: rows may be published before the end is read.
                    yield batch


# Lists the files of a table once per process; reading it later fails if a file has changed since then.
open_table = functools.cache(Table)


def _is_parquet(file: TableFile) -> bool:
    return file.path.lower().endswith(".parquet")


@contextmanager
def _explaining(file: TableFile, dialect: Dialect) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, LookupError, ValueError, csv.Error) as error:
        problem = f"it cannot be read: {error}{explain(file, dialect)}"
        if "straddling object" in problem:
            problem = f"a row is longer than {BLOCK_BYTES:,} bytes: shorten its cells, or use Parquet"
        raise TableError(f"{file.path}: {problem}") from error
