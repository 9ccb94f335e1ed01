"""Databases, which ADBC reads and writes as Arrow batches."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from configparser import InterpolationError
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import TimeoutError as LateError
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote

import luigi
import pyarrow as pa

from gokart_pipeline_sample.errors import DatabaseError, SettingError

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

T = TypeVar("T")

SECTION = "gokart_pipeline_sample.Source."
_ENDING_SECONDS = 5  # Until a cancelled statement has ended; a driver that cannot cancel would go on.
_KEYS = {"driver": "a module such as adbc_driver_postgresql, or the path of a library", "uri": "that of the database"}
# Scheme, user, password, host, port and name. Strictly: after a character that must not be there, all may be secret.
_URI = re.compile(
    r"([a-z][\w+.-]*)://(?:([\w.-]+)(?::([^\s:@/?#]*))?@)?([\w.-]*)(?::(\d+))?(?:/([\w.-]*))?(?:\?[\w=&.%-]*)?"
)
_QUOTED = r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'[^']*'|"[^"]*"|`[^`]*`|\$(\w*)\$.*?\$\1\$"""
_NAME = re.compile(rf"{_QUOTED}|--[^\n]*|/\*.*?\*/|(?<![\w:]):([a-zA-Z_]\w*)", re.DOTALL)
# By a part of what a driver says.
_ADVICE = {
    "password|authentication|denied|role": "correct the uri of [{section}], or the rights of its user",
    "connect|open|closed|terminat|SSL": "see that it runs, and that the uri of [{section}] is right; then run again",
    "": "correct the statement, or the table that it names",
}


class Source(NamedTuple):
    """A database that the configuration names."""

    name: str
    driver: str
    uri: str
    options: dict[str, str]  # of the driver

    def __repr__(self) -> str:
        return f"Source({self.name})"  # The rest may contain a password.


class Session:
    """A connection without autocommit; what :meth:`call` calls is cancelled at a time-out, or by a signal."""

    def __init__(self, source: Source, timeout_seconds: float, pool: ThreadPool) -> None:
        self._source, self._seconds, self._pool = source, timeout_seconds, pool
        self._end = time.monotonic() + timeout_seconds
        self.connection = self.call(_open, source)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function of the driver returns; raise a DatabaseError if it fails or takes too long."""
        # In a thread of its own, because signals reach Python only between two calls.
        running = self._pool.apply_async(function, arguments)
        try:
            return running.get(max(0.0, self._end - time.monotonic()))
        except (LateError, KeyboardInterrupt) as reason:
            # It may not be connected yet, and SQLite cannot cancel.
            with suppress(AttributeError, *_get_errors()):
                self.connection.adbc_cancel()
            if isinstance(reason, KeyboardInterrupt):
                raise
            running.wait(_ENDING_SECONDS)
            problem = f"it takes more than {self._seconds:g} s: ask for less, or raise timeout_seconds"
        except _get_errors() as error:
            problem = _describe(error, self._source)
        raise DatabaseError(f"source {self._source.name}: {problem}")


@contextmanager
def connect(source: Source, timeout_seconds: float) -> Iterator[Session]:
    """Provide a connection to a database, at whose end all that is not committed is undone.

    A database that refuses, or does not answer in time, is a DatabaseError.
    """
    with ThreadPool(1) as pool:
        session = Session(source, timeout_seconds, pool)
        try:
            yield session
        finally:
            pool.apply_async(session.connection.close).wait(_ENDING_SECONDS)


def find_source(name: str) -> Source:
    """Return a source of the configuration; raise a SettingError if that lacks it, or its driver is not installed."""
    section, config = f"{SECTION}{name}", luigi.configuration.get_config()
    settings = {}
    for key in config.options(section) if config.has_section(section) else ():
        try:
            settings[key] = config.get(section, key)
        except InterpolationError:  # Its message has the text.
            problem = f"{key} in [{section}] needs a variable that is not set, or has a % alone"
            raise SettingError(f"{problem}: set it, or write %%") from None
    if missing := [key for key in _KEYS if not settings.get(key)]:
        raise SettingError(f"{missing[0]} is missing in [{section}]: set it to {_KEYS[missing[0]]}")
    driver, uri = (settings.pop(key) for key in _KEYS)
    if not all(find_spec(module) for module in ("adbc_driver_manager", *([] if "/" in driver else [driver]))):
        raise SettingError(f'the driver {driver} of [{section}] is not installed: install it, and the extra "sql"')
    return Source(name, driver, uri, settings)


def query(source: Source, text: str, parameters: Mapping[str, Any], timeout_seconds: float) -> pa.RecordBatchReader:
    """Return the rows of a query as they arrive, with its parameters ``:name`` bound to values; see :func:`bind`."""

    def stream() -> Iterator[Any]:
        with connect(source, timeout_seconds) as session:
            numbered = "PostgreSQL" in session.call(session.connection.adbc_get_info)["driver_name"]
            cursor = session.connection.cursor()
            session.call(cursor.execute, *bind(text, parameters, numbered=numbered))
            reader = session.call(cursor.fetch_record_batch)
            yield reader.schema
            batches = iter(reader)
            while (batch := session.call(next, batches, None)) is not None:
                yield batch

    batches = stream()
    return pa.RecordBatchReader.from_batches(next(batches), batches)


def bind(text: str, parameters: Mapping[str, Any], *, numbered: bool) -> tuple[str, list[Any]]:
    """Return a query with ``$1``, or ``?``, for each ``:name`` outside of quotes and comments, and their values.

    A name without value, or a value without name, is a SettingError.
    """
    names = [match[2] for match in _NAME.finditer(text) if match[2]]
    for name in {*names} ^ parameters.keys():
        advice = "write it there, or leave its value out" if name in parameters else f"give --parameter {name}=…"
        raise SettingError(f"the query {'has no' if name in parameters else 'needs a value of'} :{name}: {advice}")
    numbers = itertools.count(1)

    def replace(match: re.Match[str]) -> str:
        return match[0] if not match[2] else f"${next(numbers)}" if numbered else "?"

    return _NAME.sub(replace, text), [parameters[name] for name in names]


def _open(source: Source) -> Connection:
    from adbc_driver_manager import dbapi

    if "/" in source.driver:
        return dbapi.connect(driver=source.driver, uri=source.uri, db_kwargs=source.options)
    options = {"db_kwargs": source.options} if source.options else {}
    connection: Connection = import_module(f"{source.driver}.dbapi").connect(source.uri, **options)
    return connection


def _get_errors() -> tuple[type[Exception], ...]:
    """Return the errors of drivers, and of Arrow, which passes some of theirs on."""
    from adbc_driver_manager import Error

    return Error, pa.ArrowException, OSError


def _describe(error: Exception, source: Source) -> str:
    """Return what a driver says, without the query and whatever may be secret of the source, and what to do."""
    said, known = re.split(r"\n+(?:Query was|query): ", str(error))[0], _URI.fullmatch(source.uri)
    advice = next(_ADVICE[part] for part in _ADVICE if re.search(part, said))
    pieces = {source.uri, *source.options.values(), *re.split(r"[\s:@/?&=#;,'\"]+", source.uri)}
    if known:
        pieces -= {known[number] for number in (1, 2, 4, 5, 6) if known[number] != known[3]}
    # A short one may be a part of any word.
    hidden = [re.escape(each) for each in sorted({*pieces, *map(unquote, pieces)} - {""}, key=len, reverse=True)]
    said = re.sub("|".join(each if len(each) > 8 else rf"(?<!\w){each}(?!\w)" for each in hidden), "***", said)
    return f"{' '.join(said.split())}: {advice.format(section=SECTION + source.name)}"
