"""Real databases for the tests: a PostgreSQL server on this machine, and the files of embedded ones."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from adbc_driver_manager import Error

# Debian's package keeps the commands of the server out of the path.
BINARIES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))]
USER, PASSWORD = "flowers", "correct horse 7"
MISSING = "PostgreSQL is not installed: apt-get install postgresql"


def find_postgresql() -> Path | None:
    """Return the folder of PostgreSQL's commands, or None if it is not installed."""
    found = shutil.which("initdb")
    return Path(found).parent if found else next(iter(BINARIES), None)


class Server(NamedTuple):
    """A running PostgreSQL server, which believes no user without a password."""

    port: int
    process: subprocess.Popen[bytes]

    def uri(self, database: str, user: str = USER, password: str = PASSWORD) -> str:
        """Return the URI of a database."""
        return f"postgresql://{user}:{quote(password)}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> Database:
        """Create an empty database, which belongs to the user."""
        name = f"test_{uuid.uuid4().hex}"
        execute("adbc_driver_postgresql", self.uri("postgres"), f"CREATE DATABASE {name}", autocommit=True)
        return Database("adbc_driver_postgresql", self.uri(name))


class Database(NamedTuple):
    """A database, as a section of the configuration names it."""

    driver: str
    uri: str

    @property
    def ini(self) -> str:
        """The section of the configuration that makes it the source ``warehouse``."""
        lines = ("[gokart_pipeline_sample.Source.warehouse]", f"driver={self.driver}", f"uri={self.uri}", "", "")
        return "\n".join(lines).replace("%", "%%")

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute statements in a transaction, and return the rows of the last one."""
        return execute(self.driver, self.uri, *statements)


def execute(driver: str, uri: str, *statements: str, autocommit: bool = False) -> list[tuple[Any, ...]]:
    """Execute statements, and return the rows of the last one."""
    rows: list[tuple[Any, ...]] = []
    with (
        import_module(f"{driver}.dbapi").connect(uri, autocommit=autocommit) as connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        if not autocommit:
            connection.commit()
    return rows


@contextlib.contextmanager
def serving(**settings: str) -> Iterator[Server]:
    """Have a PostgreSQL server run, with these settings, for as long as the context lasts.

    It refuses to run as root, so root starts it as the user ``postgres``, to whom folders of tests are closed.
    """
    commands = find_postgresql()
    assert commands, MISSING
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        directory, identity = Path(name), dict[str, Any]()
        (directory / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (directory, directory / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        users = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={directory / 'password'}"]
        initialize = [commands / "initdb", "--no-sync", "--encoding=UTF8", "--locale=C", *users, directory / "data"]
        subprocess.run(initialize, check=True, capture_output=True, cwd=directory, **identity)
        settings |= {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": name}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (directory / "log").open("wb") as log:
            serve = [commands / "postgres", "-D", directory / "data", *options]
            process = subprocess.Popen(serve, stdout=log, stderr=log, cwd=directory, **identity)
        server = Server(port, process)
        try:
            _wait(server, directory / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # It disconnects its clients.
            process.wait(60)


def _wait(server: Server, log: Path) -> None:
    for _ in range(300):
        with contextlib.suppress(Error):
            execute("adbc_driver_postgresql", server.uri("postgres"), "SELECT 1")
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.1)
    raise OSError(f"PostgreSQL does not start: {log.read_text()}")
