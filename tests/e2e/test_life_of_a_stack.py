"""A second stack runs beside the first, survives being killed, keeps its data, and leaves nothing behind when it goes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from localrun.plan import plan_from
from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import IAM, LocalStack, eventually, running_stack, stack_environment, start_stack

PORT_OFFSET = 5000
PUBLIC_PORTS = (8000, 8001, 8080, 1935)
INTERNAL_PORTS = (14566, 14570, 14571, 15432, 16379, 16380, 14935, 14936, 14937)


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


def left_by(environment: Mapping[str, str]) -> dict[str, object]:
    """Whatever there still is of a stack that should be gone, but for its data."""
    plan = plan_from(environment)
    found: dict[str, object] = {
        "processes": processes_of(plan.data),
        "ports": open_ports(),
        "run folder": [path.name for path in plan.run.iterdir() if path.name != "lock"],
        "scratch folder": list(plan.scratch.glob("**/*")) or plan.scratch.exists(),
        "temporary files": list(Path(environment["TMPDIR"]).iterdir()),
    }
    return {what: which for what, which in found.items() if which}


def nothing_is_left_by(environment: Mapping[str, str], when: str) -> None:
    """A moment is allowed: what was killed with a process that was ours is waited for by init, not by us."""
    deadline = time.monotonic() + 5
    while found := left_by(environment):
        assert time.monotonic() < deadline, f"{when}: {found}"
        time.sleep(0.2)


@pytest.mark.timeout(900)
def test_two_stacks_side_by_side_one_killed_restarted_and_stopped(stack: LocalStack, tmp_path: Path) -> None:
    data, temporary = tmp_path / "second", tmp_path / "temporary"
    temporary.mkdir()
    temporary.chmod(0o777)  # as root, PostgreSQL is another user
    # Its ingest node is a task, started when a stream is made, and a worker waits: they, too, must go, and be there again.
    settings = {
        "TMPDIR": str(temporary),
        "HEADWATER_INGEST": "on_demand",
        "HEADWATER_WARM_WORKERS": "1",
        **IAM,
    }
    environment = stack_environment(data, PORT_OFFSET) | settings
    scratch = plan_from(environment).scratch

    with running_stack(data, PORT_OFFSET, stopped_by=signal.SIGINT, settings=settings) as second:
        assert httpx.get(f"{stack.api}/v1/health").status_code == 200
        for port in (*PUBLIC_PORTS, *INTERNAL_PORTS):
            assert listening_addresses(port + PORT_OFFSET) <= {"0100007F"}, f"port {port} is open to others"
        assert not listening_addresses(1935 + PORT_OFFSET), "nobody has asked for an ingest node yet"
        kept = second.create_stream(title="Kept")
        refused = subprocess.run(
            [sys.executable, "-m", "localrun", "up"],
            env=environment | {"HEADWATER_DATA": str(tmp_path / "third")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert refused.returncode != 0
        said = refused.stdout + refused.stderr
        assert str(8000 + PORT_OFFSET) in said, said
        assert "nginx" in said, said
        eventually(lambda: "headwater/ffmpeg-worker" in (data / "logs" / "ecs.log").read_text(), "a worker waits", 60)
        with encoder(ffmpeg_command(kept.publish_url, Picture(size="320x180"))):
            kept.wait_for_playlist(120)
    nothing_is_left_by(environment, "after Ctrl-C, in the middle of a broadcast")

    with pytest.raises(ProcessLookupError), running_stack(data, PORT_OFFSET, settings=settings) as second:
        assert second.http.get(f"/v1/streams/{kept.stream_id}").json()["title"] == "Kept"
        [supervisor] = [pid for pid, text in processes_of(data).items() if "-m localrun up" in text]
        (scratch / "of the killed run").touch()
        os.kill(supervisor, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{supervisor}/cmdline").exists() or not _alive(supervisor), "it is dead", 10)
        raise ProcessLookupError

    with running_stack(data, PORT_OFFSET, settings=settings, command="demo") as second:
        path = f"/v1/streams/{kept.stream_id}"
        eventually(lambda: second.http.get(path).json().get("title") == "Kept", "what was there is there again")
        assert not (scratch / "of the killed run").exists()
        printed = re.compile(r"^  Watch   (\S+)\n  HLS     (\S+)$", re.MULTILINE)
        shown = eventually(lambda: printed.search(second.log.read_text()), "the demo says where it plays")
        assert httpx.get(shown[1]).status_code == 200
        assert "#EXT-X-STREAM-INF" in httpx.get(shown[2]).text
        localrun("down", environment)
    nothing_is_left_by(environment, "after `make down`, in the middle of the demo")
    localrun("reset", environment)
    assert [path.name for path in data.iterdir() if path.name != "run"] == []

    starting = start_stack(environment, tmp_path / "starting.log")
    try:
        eventually(lambda: list((data / "run" / "sessions").glob("*.json")), "its first part runs")
    finally:
        starting.terminate()
        starting.wait(timeout=60)
    nothing_is_left_by(environment, "after TERM while it was starting")


def localrun(command: str, environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "localrun", command], env=environment, timeout=60, check=True)


def _alive(pid: int) -> bool:
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
