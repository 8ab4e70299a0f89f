"""PostgreSQL in place of Aurora: a cluster of its own under the data folder, reachable on loopback by password only."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from localrun.plan import LOOPBACK, StackPlan
from localrun.processes import Account, Processes, Program, ServiceFailed, base_environment
from localrun.readiness import wait_until

_USER = "headwater"
_DATABASE = "headwater"
_STARTS_WITHIN_SECONDS = 60.0  # crash recovery replays the write-ahead log first

# A developer's machine: quiet, small, but as durable as Aurora, for data must survive a kill.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # in its own folder: a server that is killed leaves nothing in /dev/shm
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
}


@asynccontextmanager
async def postgres(plan: StackPlan, processes: Processes) -> AsyncIterator[str]:
    """Yields the SQLAlchemy URL of a database that answers."""
    folder = plan.data / "postgres"
    account = _account()
    binaries = _binaries()
    password = _password(plan.data / "postgres-password")
    if not (folder / "PG_VERSION").exists():
        await _create_cluster(processes, folder, binaries, password, account)
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    argv = [str(binaries / "postgres"), "-D", str(folder), "-p", str(plan.ports.postgres), *settings]
    program = Program(
        name="postgres",
        argv=argv,
        env=base_environment(),
        cwd=folder,
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients to leave
        account=account,
    )
    async with processes.running(program):
        await wait_until(
            lambda: _ensure_database(plan.ports.postgres, password),
            within_seconds=_STARTS_WITHIN_SECONDS,
            what="PostgreSQL",
        )
        yield f"postgresql+psycopg://{_USER}:{quote(password)}@{LOOPBACK}:{plan.ports.postgres}/{_DATABASE}"


def _binaries() -> Path:
    """Debian keeps each major version apart and off the path; the newest one is ours."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise ServiceFailed("PostgreSQL is not installed: run `make setup`.")
    return Path(found).parent


def _account() -> Account | None:
    """PostgreSQL refuses to run as root; Debian's package brings a user for it."""
    return Account("postgres") if os.geteuid() == 0 else None


def _password(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


async def _create_cluster(
    processes: Processes, folder: Path, binaries: Path, password: str, account: Account | None
) -> None:
    """initdb in a fresh folder beside the final place, renamed when complete: a kill in between leaves nothing half-made."""
    draft = folder.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    # The account must be able to read the password that initdb sets, and nobody else.
    handed_over = folder.with_name("postgres-password.new")
    handed_over.touch(mode=0o600)
    handed_over.write_text(password)
    prefix: list[str] = []
    if account is not None:
        entry = pwd.getpwnam(account.name)
        for path in (draft, handed_over):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        prefix = ["setpriv", *account.prefix(), "--"]
    argv = [
        *prefix,
        str(binaries / "initdb"),
        f"--pgdata={draft}",
        f"--username={_USER}",
        f"--pwfile={handed_over}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-instructions",
    ]
    try:
        code = await processes.run("initdb", argv, env=base_environment(), cwd=draft)
    finally:
        handed_over.unlink()
    if code != 0:
        raise ServiceFailed(processes.account_of("initdb", f"ended with exit code {code}"))
    shutil.rmtree(folder, ignore_errors=True)  # without PG_VERSION, so never a cluster
    draft.rename(folder)


async def _ensure_database(port: int, password: str) -> bool:
    """True once the server answers and our database exists."""
    try:
        connection = await psycopg.AsyncConnection.connect(
            host=LOOPBACK,
            port=port,
            user=_USER,
            password=password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=2,
        )
    except psycopg.OperationalError:
        return False
    async with connection:
        found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE])
        if await found.fetchone() is None:
            await connection.execute(f"CREATE DATABASE {_DATABASE}")
    return True
