"""What the endpoint must not forget when it is restarted: its tasks, and which client token made which of them."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from localrun.ecs.task import STOPPED_TASKS_SHOWN_SECONDS, Task

TOKENS_KEPT_SECONDS = 24 * 3600


class RememberedToken(msgspec.Struct, kw_only=True):
    """`request` is a digest of the parameters, so that the same token with other parameters is refused."""

    request: str
    task_arns: list[str]
    used_at: float


class Journal(msgspec.Struct, kw_only=True):
    tasks: dict[str, Task] = {}
    tokens: dict[str, RememberedToken] = {}

    def forget_old(self, now: float) -> None:
        self.tasks = {
            arn: task
            for arn, task in self.tasks.items()
            if task.stopped_at is None or now - task.stopped_at < STOPPED_TASKS_SHOWN_SECONDS
        }
        self.tokens = {text: token for text, token in self.tokens.items() if now - token.used_at < TOKENS_KEPT_SECONDS}


class JournalFile:
    """The journal on disk, replaced as a whole, so that a kill at any moment leaves the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Journal:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Journal)
        except FileNotFoundError:
            return Journal()
        except msgspec.DecodeError:
            # Written by another version of the stack. Tasks do not outlive a restart anyway.
            return Journal()

    def save(self, journal: Journal) -> None:
        journal.forget_old(time.time())
        draft = self._path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(journal))
        draft.replace(self._path)
