"""Stage 7 · requests that carried an `Idempotency-Key` and what they were answered, in DynamoDB, by Powertools.

Answers hold stream keys, tokens and addresses of mail, so each is sealed (AES-256-GCM) with a key made of our secret and of
the request's own `Idempotency-Key`, which is not stored: neither the table alone nor the table with our secret opens it.
Of a request's body only a keyed fingerprint is kept.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.adapters import aws
from headwater.errors import DependencyUnavailable, IdempotencyKeyReused, RequestInProgress

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
    from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

KEPT_SECONDS = 24 * 3600
RETRY_IN_PROGRESS_SECONDS = 1
_NONCE_BYTES = 12
_LARGEST_ANSWER = 256 * 1024  # bytes; an item of DynamoDB holds 400 KB, and sealing adds a third


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """`caller` is whoever the request speaks for, `call` its method and address, `key` what the client made up."""

    caller: str
    call: str
    key: str
    body: bytes

    def __repr__(self) -> str:
        return f"KeyedRequest({self.call})"


class KeptAnswer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class AnsweredRequests:
    def __init__(self, table_name: str, secret: Callable[[], bytes]) -> None:
        self._table_name = table_name
        self._secret = secret

    def begin(self, request: KeyedRequest, milliseconds_left: int) -> KeptAnswer | None:
        """None: the request is the caller's to carry out, and to `finish` or `abandon`. Otherwise what it was answered.

        Raises RequestInProgress while another like it is being carried out, for `milliseconds_left` at the most;
        IdempotencyKeyReused when that one had another body; DependencyUnavailable.
        """
        from aws_lambda_powertools.utilities.idempotency.exceptions import (
            IdempotencyItemAlreadyExistsError,
            IdempotencyValidationError,
        )

        sealing_key, data = self._known_by(request)
        with _unavailable_when_failing():
            try:
                self._layer.save_inprogress(data, milliseconds_left)
            except IdempotencyValidationError:
                raise IdempotencyKeyReused from None
            except IdempotencyItemAlreadyExistsError as error:
                record = error.old_data_record  # DynamoDB's refusal of the write brings it along
            else:
                return None
        if record is None or record.status != "COMPLETED":
            raise RequestInProgress(retry_after_seconds=RETRY_IN_PROGRESS_SECONDS)
        return _opened(sealing_key, record)

    def finish(self, request: KeyedRequest, answer: KeptAnswer) -> None:
        if len(answer.body) > _LARGEST_ANSWER:
            self.abandon(request)
            return
        sealing_key, data = self._known_by(request)
        with _unavailable_when_failing():
            self._layer.save_success(data, {"sealed": _sealed(sealing_key, answer)})

    def abandon(self, request: KeyedRequest) -> None:
        """It changed nothing: the same request may try again."""
        _, data = self._known_by(request)
        with _unavailable_when_failing():
            self._layer.delete_record(data, RuntimeError("refused"))

    def _known_by(self, request: KeyedRequest) -> tuple[bytes, dict[str, str]]:
        """What seals its answer, and what is shown of it to Powertools, which keeps hashes of that."""
        named = "\x00".join(("idempotency", request.caller, request.call, request.key)).encode()
        master = hmac.new(self._secret(), named, hashlib.sha256).digest()
        request_id, sealing_key, fingerprint = (
            hmac.new(master, use, hashlib.sha256).digest() for use in (b"id", b"seal", b"body\x00" + request.body)
        )
        return sealing_key, {"request": request_id.hex(), "body": fingerprint.hex()}

    @functools.cached_property
    def _layer(self) -> DynamoDBPersistenceLayer:
        # Imports boto3, which costs a quarter of a second, and most requests carry no key.
        from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig

        layer = DynamoDBPersistenceLayer(
            self._table_name, expiry_attr="expires_at", boto3_client=aws.client("dynamodb")
        )
        config = IdempotencyConfig(
            event_key_jmespath="request",
            payload_validation_jmespath="body",
            raise_on_no_idempotency_key=True,
            expires_after_seconds=KEPT_SECONDS,
            hash_function="sha256",
        )
        layer.configure(config, key_prefix="rest")
        return layer


@contextmanager
def _unavailable_when_failing() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable from error


def _sealed(key: bytes, answer: KeptAnswer) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, msgspec.msgpack.encode(answer), None)).decode()


def _opened(key: bytes, record: DataRecord) -> KeptAnswer:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    kept: Mapping[str, Any] = record.response_json_as_dict() or {}
    sealed = base64.b64decode(kept["sealed"])
    plain = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    return msgspec.msgpack.decode(plain, type=KeptAnswer)
