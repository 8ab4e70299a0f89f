"""Stage 7 · S3's notifications in SQS records → the keys of what was uploaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

import msgspec


class _Object(msgspec.Struct):
    key: str  # encoded as in a form: docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html


class _S3(msgspec.Struct):
    object: _Object


class _Notification(msgspec.Struct):
    s3: _S3


class _Body(msgspec.Struct):
    Records: list[_Notification] = []  # S3 announces itself with a test event that has none


def uploaded_keys(record: Mapping[str, Any]) -> Sequence[str]:
    """Raises msgspec.MsgspecError for a body that is no notification."""
    body = msgspec.json.decode(record["body"], type=_Body)
    return [unquote_plus(each.s3.object.key) for each in body.Records]
