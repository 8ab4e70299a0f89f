"""Stage 7 · PostgreSQL: one engine per process, one connection, one transaction at a time.

A Lambda process serves one request at a time, so a pool of one is the right size, and a second connection inside a request
would wait for the first for ever: a unit of work never opens another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headwater.errors import DependencyUnavailable

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 5
POOL_TIMEOUT_SECONDS = 3


class Database:
    """Where units of work come from. `url` is asked for at first use, since it rests in a secret."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url

    @functools.cached_property
    def engine(self) -> Engine:
        return create_engine(
            self._url(),
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,  # 0.07 ms, and a database that failed over costs nobody a request
            pool_timeout=POOL_TIMEOUT_SECONDS,
            hide_parameters=True,  # or an error would quote e-mail addresses and password hashes to the log
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "prepare_threshold": None,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c timezone=UTC",
                "application_name": "headwater",
            },
        )

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
