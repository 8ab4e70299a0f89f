"""Stage 7 · the signing keys at rest, in the secret `{"keys": [{"kid", "private_pem", "not_before"}]}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from headwater.adapters import aws
from headwater.domain.signing_keys import SigningKey

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class _Ring(msgspec.Struct, frozen=True):
    keys: tuple[SigningKey, ...]


def decode_keys(value: object) -> tuple[SigningKey, ...]:
    """The keys of a decoded secret; none when it is something else, such as what a template generated as a placeholder."""
    try:
        return msgspec.convert(value, _Ring).keys
    except msgspec.ValidationError:
        return ()


class SigningKeyRing:
    """Reads past any cache and writes: for the one who makes keys. Verifiers and signers read through `secrets`."""

    def __init__(self, secret_name: str) -> None:
        self._secret_name = secret_name

    def read(self) -> Sequence[SigningKey]:
        secretsmanager: SecretsManagerClient = aws.client("secretsmanager")
        try:
            text = secretsmanager.get_secret_value(SecretId=self._secret_name)["SecretString"]
        except secretsmanager.exceptions.ResourceNotFoundException:
            return ()  # the secret exists, but has no value yet
        try:
            return decode_keys(msgspec.json.decode(text))
        except msgspec.DecodeError:
            return ()

    def write(self, keys: Sequence[SigningKey]) -> None:
        secretsmanager: SecretsManagerClient = aws.client("secretsmanager")
        secretsmanager.put_secret_value(
            SecretId=self._secret_name, SecretString=msgspec.json.encode(_Ring(tuple(keys))).decode()
        )
