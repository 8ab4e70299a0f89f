"""A second stack runs beside the first, survives being killed, keeps its data, and leaves nothing behind when it goes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.local_stack import ROOT, LocalStack, endpoints_file, eventually, running_stack

PORT_OFFSET = 5000
PUBLIC_PORTS = (8000, 8001, 8080, 1935)
INTERNAL_PORTS = (14566, 14570, 15432, 16379, 16380, 14935, 14936, 14937)


def processes_of(data: Path) -> dict[int, str]:
    """Every process that has the stack's folder in its command line or environment, and is not one of the tests."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            if str(data).encode() in text and b"Z" not in (entry / "stat").read_bytes().split(b")")[-1][:3]:
                found[int(entry.name)] = text[:200].replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


def open_ports() -> list[int]:
    taken = []
    for port in (*PUBLIC_PORTS, *INTERNAL_PORTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port + PORT_OFFSET)) == 0:
                taken.append(port)
    return taken


def listening_addresses(port: int) -> set[str]:
    """Local addresses, in hex as /proc shows them, on which somebody listens at `port`."""
    lines = [*Path("/proc/net/tcp").read_text().splitlines()[1:], *Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    sockets = [line.split() for line in lines]
    return {parts[1].split(":")[0] for parts in sockets if parts[3] == "0A" and parts[1].endswith(f":{port:04X}")}


@pytest.mark.timeout(400)
def test_two_stacks_side_by_side_one_killed_restarted_and_stopped(stack: LocalStack, tmp_path: Path) -> None:
    data = tmp_path / "second"
    with running_stack(data, PORT_OFFSET) as second:
        assert httpx.get(f"{stack.api}/v1/health").status_code == 200
        for port in (*PUBLIC_PORTS, *INTERNAL_PORTS):
            assert listening_addresses(port + PORT_OFFSET) <= {"0100007F"}, f"port {port} is open to others"
        kept = second.create_stream(title="Kept")
        refused = subprocess.run(
            [sys.executable, "-m", "localrun", "up"],
            env={
                **os.environ,
                "HEADWATER_DATA": str(tmp_path / "third"),
                "HEADWATER_PORT_OFFSET": str(PORT_OFFSET),
                "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert refused.returncode != 0
        said = refused.stdout + refused.stderr
        assert str(8000 + PORT_OFFSET) in said, said
        assert "nginx" in said, said
    assert not endpoints_file(data).exists()
    assert processes_of(data) == {}
    assert open_ports() == []

    with pytest.raises(ProcessLookupError), running_stack(data, PORT_OFFSET) as second:
        assert second.http.get(f"/v1/streams/{kept.stream_id}").json()["title"] == "Kept"
        [supervisor] = [pid for pid, text in processes_of(data).items() if "-m localrun up" in text]
        os.kill(supervisor, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{supervisor}/cmdline").exists() or not _alive(supervisor), "it is dead", 10)
        raise ProcessLookupError

    with running_stack(data, PORT_OFFSET) as second:
        assert second.http.get(f"/v1/streams/{kept.stream_id}").json()["title"] == "Kept"
    assert processes_of(data) == {}
    assert open_ports() == []


def _alive(pid: int) -> bool:
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
