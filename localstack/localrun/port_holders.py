"""Which process listens on a port, read from /proc, so that a taken port is reported with what holds it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h)


@dataclass(frozen=True, slots=True)
class PortHolder:
    """`pid` is None when the listener belongs to another user, whose open files we may not see."""

    pid: int | None
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command})" if self.pid else "a process of another user"


def is_free(port: int) -> bool:
    """Whether a server could bind 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder_of(port: int, proc: Path = Path("/proc")) -> PortHolder | None:
    """What listens on `port` on any address, or None when nothing does."""
    inodes = _listening_inodes(port, proc)
    if not inodes:
        return None
    targets = {f"socket:[{inode}]" for inode in inodes}
    for folder in proc.iterdir():
        if folder.name.isdigit() and _holds(folder, targets):
            return PortHolder(pid=int(folder.name), command=_command(folder))
    return PortHolder(pid=None, command="")


def _listening_inodes(port: int, proc: Path) -> set[str]:
    inodes: set[str] = set()
    for table in (proc / "net" / "tcp", proc / "net" / "tcp6"):
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            local_port = int(columns[1].rpartition(":")[2], 16)
            if local_port == port and columns[3] == _LISTEN:
                inodes.add(columns[9])
    return inodes


def _holds(process: Path, targets: set[str]) -> bool:
    try:
        return any(str(descriptor.readlink()) in targets for descriptor in (process / "fd").iterdir())
    except OSError:  # ended meanwhile, or not ours to look into
        return False


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "unknown"
    line = " ".join(os.fsdecode(word) for word in words if word).strip()
    return line if len(line) <= 100 else line[:99] + "…"
