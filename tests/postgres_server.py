"""A real PostgreSQL on loopback, one for each test worker, migrated once and emptied between tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from functions.schema_migration.migrate_schema import migrate_schema
from headwater.adapters.tables import metadata
from tests.ports import free_port
from tests.processes import ended_with_us

START_LIMIT_SECONDS = 60.0
STOP_AT_ONCE = signal.SIGQUIT  # as `pg_ctl stop -m immediate`
# A test database may lose everything with its machine, though not with its process.
_UNSAFE_BUT_QUICK = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB"}


def postgres_programs() -> Path:
    """The folder of the newest installed version; Debian keeps the server's programs off the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if versions:
        return versions[-1]
    found = shutil.which("postgres")
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed: apt install postgresql")
    return Path(found).parent


def _as_server_user(command: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    user = _server_user()
    return [
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--", *command,
    ]  # fmt: skip


def _server_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LookupError("there is no user but root to run PostgreSQL as")


@dataclass
class PostgresServer:
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://headwater@127.0.0.1:{self.port}/postgres"

    @property
    def plain_url(self) -> str:
        return self.url.replace("+psycopg", "")

    def initialise(self) -> None:
        if os.geteuid() == 0:
            user = _server_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        command = [
            str(postgres_programs() / "initdb"), "--pgdata", str(self.folder / "data"), "--username", "headwater",
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync",
        ]  # fmt: skip
        subprocess.run(_as_server_user(command), check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def start(self) -> None:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",  # in its folder, and gone with it, however it ends
            "max_connections": "20",
            **_UNSAFE_BUT_QUICK,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [str(postgres_programs() / "postgres"), "-D", str(self.folder / "data"), *options]
        command = _as_server_user(ended_with_us(server, STOP_AT_ONCE))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while True:
            try:
                psycopg.connect(self.plain_url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """At once, as a crash would be."""
        if self.process is not None:
            self.process.send_signal(STOP_AT_ONCE)
            self.process.wait(timeout=60)
            self.process = None

    def empty(self) -> None:
        """Of a few rows, which DELETE does several times as fast as TRUNCATE."""
        emptied = [table.name for table in metadata.sorted_tables if table.name != "categories"]  # a migration's rows
        with psycopg.connect(self.plain_url, autocommit=True) as connection:
            # Neither foreign keys nor the trigger of the audit log, which refuses this.
            connection.execute("SET session_replication_role = replica")
            connection.execute(
                sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in emptied)
            )


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running, migrated server. Its folder is not pytest's, which only its owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-"))
    server = PostgresServer(free_port(), folder)
    try:
        server.initialise()
        server.start()
        migrate_schema(server.url)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
