"""Stage 7 · PostgreSQL: one engine per process, one connection, one transaction at a time.

A Lambda process serves one request at a time, so a pool of one is the right size, and a second connection inside a request
would wait for the first for ever: a unit of work never opens another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headwater.errors import DependencyUnavailable

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 5
POOL_TIMEOUT_SECONDS = 3
# A function that nobody calls is frozen for a while with its connection open, and a database that sleeps when there are none
# would stay awake for it.
IDLE_SESSION_SECONDS = 120


def _password(url: str) -> dict[str, str]:
    password = make_url(url).password
    return {} if password is None else {"password": password}


class Database:
    """Where units of work come from. `url` is asked for at every new connection, since it rests in a secret that rotates;
    `renewed_url` when the database would not have us with that one."""

    def __init__(self, url: Callable[[], str], *, renewed_url: Callable[[], str] | None = None) -> None:
        self._url = url
        self._renewed_url = renewed_url

    @functools.cached_property
    def engine(self) -> Engine:
        engine = create_engine(
            self._url(),
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,  # 0.07 ms, and a database that failed over costs nobody a request
            pool_timeout=POOL_TIMEOUT_SECONDS,
            hide_parameters=True,  # or an error would quote e-mail addresses and password hashes to the log
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "prepare_threshold": None,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c timezone=UTC"
                f" -c idle_session_timeout={IDLE_SESSION_SECONDS}s",
                "application_name": "headwater",
            },
        )
        event.listen(engine, "do_connect", self._log_in)
        return engine

    def _log_in(self, dialect: Dialect, _: object, __: object, options: dict[str, Any]) -> DBAPIConnection:
        try:
            return dialect.connect(**options | _password(self._url()))
        except dialect.loaded_dbapi.OperationalError:
            if self._renewed_url is None:
                raise
            before, now = _password(self._url()), _password(self._renewed_url())
            if now == before:
                raise
            return dialect.connect(**options | now)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction, committed at the end unless the code inside raised. Raises DependencyUnavailable."""
        with unavailable_when_failing(), self.engine.connect() as connection:
            yield connection
            connection.commit()

    def close(self) -> None:
        if "engine" in self.__dict__:
            self.engine.dispose()
            del self.__dict__["engine"]


@contextmanager
def unavailable_when_failing() -> Iterator[None]:
    """A database that is away, overloaded or shutting down becomes DependencyUnavailable; our own mistakes stay mistakes."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise DependencyUnavailable from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DependencyUnavailable from error
        raise
