"""A table of a database, into which rows are put."""

import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import types

from gokart_pipeline_sample.errors import DatabaseError
from gokart_pipeline_sample.io.database import Session, Source, bind, connect

# Names in SQL of the types of columns.
_SQL = {"int64": "bigint", "double": "double precision", "bool": "boolean", "string": "text"}


class DatabaseTable(NamedTuple):
    """A table of a source, named ``table`` or ``schema.table``; what is done with it may take that many seconds."""

    source: Source
    name: str
    timeout_seconds: float

    def count_rows(self, column: str, value: str) -> int:
        """Return the number of rows with a value; 0 if there is no such table or column."""
        with connect(self.source, self.timeout_seconds) as session:
            found = session.call(self._find_columns, session)
            if found is None or column not in found.names:
                return 0
            return int(session.call(self._execute, session, "SELECT count(*)", column, value)[0][0])

    def replace_rows(self, column: str, value: str, tables: Iterable[pa.Table]) -> None:
        """Delete the rows with a value and put others, all or nothing; all tables have the same columns.

        The table is made if there is none; one that lacks a column, or has it with another type, is a DatabaseError.
        Of two processes that do so at once, one waits in PostgreSQL, and may fail in other databases.
        """
        with connect(self.source, self.timeout_seconds) as session:
            names: list[str] = []
            for rows in tables:
                if not names:
                    names = session.call(self._prepare, session, rows.schema)
                    session.call(self._execute, session, "DELETE", column, value)
                session.call(self._ingest, session, rows.select(names))
            session.call(session.connection.commit)

    def _prepare(self, session: Session, schema: pa.Schema) -> list[str]:
        """Lock the table, made if there is none; return its columns in its order, as some drivers ignore names."""
        found, vendor = self._find_columns(session), _find_vendor(session)
        if vendor == "PostgreSQL":
            # Unlike a lock of the table, it lets others write there, and can be had before there is a table.
            with session.connection.cursor() as cursor:
                cursor.execute(f"SELECT 1 FROM pg_advisory_xact_lock({zlib.crc32(self.name.encode())})")  # noqa: S608
                cursor.fetchall()
        if found is None:
            self._ingest(session, schema.empty_table(), "create_append")
            return list(schema.names)
        changes = []
        for each in schema:
            column, wanted = _quote(each.name), _name_type(each)
            if each.name not in found.names:
                changes.append(f"ADD COLUMN {column} {wanted}")
            # In SQLite, values have types, and columns none.
            elif vendor != "SQLite" and _name_type(found.field(each.name)) != wanted:
                changes.append(f"ALTER COLUMN {column} TYPE {wanted}")
        if changes:
            problem = f"source {self.source.name}: {self.name} lacks columns, or has them with other types"
            raise DatabaseError(f"{problem}: ALTER TABLE {self._quoted} {', '.join(changes)}")
        return [name for name in found.names if name in schema.names]

    def _find_columns(self, session: Session) -> pa.Schema | None:
        from adbc_driver_manager import Error

        schema, _, name = self.name.rpartition(".")
        try:
            return session.connection.adbc_get_table_schema(name, db_schema_filter=schema or None)
        except Error:
            # Drivers differ in how they say that there is no table; what else is wrong, the next statement says.
            session.connection.rollback()
            return None

    def _ingest(self, session: Session, rows: pa.Table, mode: Any = "append") -> None:
        schema, _, name = self.name.rpartition(".")
        with session.connection.cursor() as cursor:
            cursor.adbc_ingest(name, rows, mode=mode, db_schema_name=schema or None)

    def _execute(self, session: Session, verb: str, column: str, value: str) -> list[tuple[Any, ...]]:
        statement = f"{verb} FROM {self._quoted} WHERE {_quote(column)} = :value"
        with session.connection.cursor() as cursor:
            cursor.execute(*bind(statement, {"value": value}, numbered=_find_vendor(session) == "PostgreSQL"))
            return cursor.fetchall() if cursor.description else []

    @property
    def _quoted(self) -> str:
        return ".".join(map(_quote, self.name.split(".")))


def _find_vendor(session: Session) -> Any:
    return session.connection.adbc_get_info()["vendor_name"]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _name_type(column: pa.Field) -> str:
    if types.is_timestamp(column.type):
        return "timestamp with time zone" if column.type.tz else "timestamp"
    return _SQL.get(str(column.type), str(column.type))
