"""Every stage · clients of AWS services: made at first use, kept for the life of the process, quick to give up.

Made from botocore's session, because importing boto3 on top of it costs a function's cold start and gives nothing here.
The endpoint comes from botocore's own variables (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_ECS`, …).
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynamodb.connection.base import Connection

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 3
ATTEMPTS = 3  # the first one and two retries

_making = threading.Lock()  # botocore clients may be shared by threads, but not made by two at once


def client(service: str) -> Any:
    """The process's client of `service`, e.g. "sqs". Annotate the result with its type from `mypy_boto3_<service>`."""
    with _making:
        return _client(service)


def s3_signer() -> Any:
    """A client of S3 that only signs addresses; left alone, botocore signs those as of 2006, which newer regions refuse."""
    with _making:
        return _client("s3", "s3v4")


@functools.cache
def _client(service: str, signature_version: str | None = None) -> Any:
    from botocore.config import Config

    return _session().create_client(
        service,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            signature_version=signature_version,
        ),
    )


@functools.cache
def _session() -> Any:
    from botocore.session import get_session

    return get_session()


def share_session(connection: Connection) -> None:
    """Make the client of a PynamoDB connection from the process's session. By itself each connection, and so each table,
    makes a session of its own and reads the service's description anew: 75 ms of CPU, while somebody waits.
    """
    with _making:
        connection._local.session = _session()  # PynamoDB offers no other way; tests/unit/test_aws_session.py
        _ = connection.client


def credentials() -> Any:
    """The process's credentials, which botocore refreshes as they expire: `credentials().get_frozen_credentials()`."""
    with _making:
        return _session().get_credentials()


def region() -> str:
    with _making:
        return str(_session().get_config_variable("region"))


def forget_clients() -> None:
    """Drop every client, so that the next call sees the environment anew. For tests."""
    _client.cache_clear()
    _session.cache_clear()
