"""Every stage · secrets from AWS Secrets Manager, kept in memory for a minute, so that a rotated one is soon in use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.adapters import aws
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_SECONDS = 60.0

_kept: dict[str, tuple[float, dict[str, Any]]] = {}


def secret(arn_or_name: str, *, read_anew: bool = False) -> dict[str, Any]:
    """The secret's JSON object; `read_anew` asks for it however lately it was read. When Secrets Manager does not answer,
    the one read last serves on.

    Raises DependencyUnavailable when it never could be read. No error ever contains any of the value.
    """
    now = time.monotonic()
    kept = _kept.get(arn_or_name)
    if kept is not None and not read_anew and now - kept[0] < KEPT_SECONDS:
        return kept[1]
    try:
        value = _read(arn_or_name)
    except Exception as error:
        if kept is None:
            raise DependencyUnavailable from error
        value = kept[1]
    _kept[arn_or_name] = (now, value)
    return value


def _read(arn_or_name: str) -> dict[str, Any]:
    secretsmanager: SecretsManagerClient = aws.client("secretsmanager")
    text = secretsmanager.get_secret_value(SecretId=arn_or_name)["SecretString"]
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ValueError(f"the secret {arn_or_name} is not a JSON object") from None  # the cause would quote it


def forget_secrets() -> None:
    """Read every secret anew. For tests."""
    _kept.clear()
