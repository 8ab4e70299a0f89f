"""Stages 1 and 2 · the hooks' secrets at rest: `{"secret", "accepted_too": [{"secret", "until"}]}`, or the first alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from headwater.adapters import aws
from headwater.domain.hook_secrets import HookSecrets

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def hook_secrets(value: object) -> HookSecrets:
    """A decoded secret's. Raises msgspec.ValidationError, which quotes nothing of it."""
    return msgspec.convert(value, HookSecrets)


class HookSecretStore:
    """Reads past any cache and writes: for the one who makes secrets. Who checks hooks reads through `secrets`."""

    def __init__(self, secret_name: str) -> None:
        self._secret_name = secret_name

    def read(self) -> HookSecrets:
        secretsmanager: SecretsManagerClient = aws.client("secretsmanager")
        text = secretsmanager.get_secret_value(SecretId=self._secret_name)["SecretString"]
        return hook_secrets(msgspec.json.decode(text))

    def write(self, secrets: HookSecrets) -> None:
        secretsmanager: SecretsManagerClient = aws.client("secretsmanager")
        secretsmanager.put_secret_value(SecretId=self._secret_name, SecretString=msgspec.json.encode(secrets).decode())
