"""Stage 6 · the key value store that CloudFront's functions read. Every write is on condition of the whole store's version.

Its API is global, asks for signatures of version 4a, and botocore has those from awscrt alone: whoever writes has it in the
bundle. A refused condition is a ConflictException, or a ValidationException that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.errors import DependencyUnavailable, StateContended


class EdgeStore:
    """Raises DependencyUnavailable when CloudFront fails."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def version(self) -> str:
        return str(self._call("describe_key_value_store")["ETag"])

    def get(self, key: str) -> str | None:
        try:
            return str(self._client.get_key(KvsARN=self._arn, Key=key)["Value"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise DependencyUnavailable from error
        except BotoCoreError as error:
            raise DependencyUnavailable from error

    def update(self, version: str, puts: Mapping[str, str], deletes: frozenset[str]) -> int:
        """All or nothing; how many bytes the store holds now. Raises StateContended when it is of another version."""
        written = self._call(
            "update_keys",
            IfMatch=version,
            Puts=[{"Key": key, "Value": value} for key, value in sorted(puts.items())],
            Deletes=[{"Key": key} for key in sorted(deletes)],
        )
        return int(written["TotalSizeInBytes"])

    def _call(self, operation: str, **values: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(KvsARN=self._arn, **values)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ConflictException", "ValidationException") and "IfMatch" in values:
                raise StateContended from error
            raise DependencyUnavailable from error
        except BotoCoreError as error:
            raise DependencyUnavailable from error
        return answer

    @property
    def _client(self) -> Any:
        return aws.client("cloudfront-keyvaluestore")
