"""Stage 1 · the dones that the API has not accepted yet, one file each, so that they survive this process.

A done is on disk before nginx is answered, and is removed once the API has accepted it. The files hold stream keys, as
hook bodies do, and are readable by this user only.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from headwater.hook_signature import HookOrigin
from rtmp_ingest.hook import Hook

_SUFFIX = ".done"


@dataclass(frozen=True)
class SpooledDone:
    """A done, and the node it comes from, which may be an earlier run than this one."""

    node: str
    pull_base: str
    hook: Hook
    path: Path | None = field(default=None, compare=False)  # None while the disk would not take it

    @property
    def origin(self) -> HookOrigin:
        return HookOrigin(self.node, self.pull_base, self.hook.occurred_at)


class DoneSpool:
    """The folder. Names sort by time, so that what was left behind is sent in its order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._serial = itertools.count()

    def write(self, done: SpooledDone) -> SpooledDone:
        """`done`, durable. Raises OSError when the disk does not take it."""
        name = f"{done.hook.occurred_at:015d}-{os.getpid()}-{next(self._serial):06d}{_SUFFIX}"
        path = self._folder / name
        record = {
            "node": done.node,
            "pull_base": done.pull_base,
            "occurred_at": done.hook.occurred_at,
            "body": base64.b64encode(done.hook.body).decode(),
        }
        partial = path.with_suffix(".partial")
        try:
            _write_durably(partial, json.dumps(record).encode())
            partial.rename(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)
        return SpooledDone(done.node, done.pull_base, done.hook, path)

    def left_behind(self) -> list[SpooledDone]:
        """What an earlier run could not deliver, oldest first. A file that is no done is dropped."""
        for partial in self._folder.glob("*.partial"):
            partial.unlink(missing_ok=True)
        found = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                record = json.loads(path.read_bytes())
                hook = Hook(base64.b64decode(record["body"], validate=True), int(record["occurred_at"]))
                found.append(SpooledDone(str(record["node"]), str(record["pull_base"]), hook, path))
            except (ValueError, KeyError, TypeError):
                path.unlink(missing_ok=True)
        return found

    @staticmethod
    def remove(done: SpooledDone) -> None:
        if done.path is not None:
            done.path.unlink(missing_ok=True)


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
