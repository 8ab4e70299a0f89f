"""Before stage 1 · a new secret for hooks: beside the one in use, or in place of all there are."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from headwater.domain.hook_secrets import HookSecrets, announced, in_use

SEEN_BY_ALL_SECONDS = 75  # longer than anybody who checks hooks keeps what was read (headwater/adapters/secrets.py)
_SECRET_BYTES = 48


class Store(Protocol):
    def read(self) -> HookSecrets: ...
    def write(self, secrets: HookSecrets) -> None: ...


def rotate_hook_secret(
    store: Store, replace_nodes: Callable[[], None], wait: Callable[[float], None], clock: Callable[[], int]
) -> None:
    """Nobody is cut: what a node signs is accepted all the while, whichever secret it was started with. Interrupted anywhere,
    it can be done again. `clock` is in Unix seconds."""
    new = _new_secret()
    store.write(announced(store.read(), new, clock()))
    wait(SEEN_BY_ALL_SECONDS)
    store.write(in_use(store.read(), new, clock()))
    replace_nodes()


def revoke_hook_secrets(store: Store, replace_nodes: Callable[[], None]) -> None:
    """For secrets that others may know: none of them is accepted a minute from now, and no node that has one is heard.

    Its publishers are cut when their node is stopped, and come back to one that was started since."""
    store.write(HookSecrets(_new_secret()))
    replace_nodes()


def _new_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)
