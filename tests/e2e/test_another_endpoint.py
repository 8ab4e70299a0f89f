"""AWS_ENDPOINT_URL: the stack runs on an endpoint that somebody else started, in the region and account they chose."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import boto3
import httpx
import pytest

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import IAM, ROOT, eventually, running_stack, stack_environment
from tests.ports import free_port
from tests.processes import end

PORT_OFFSET = 6000
OWN_EMULATOR = 14566 + PORT_OFFSET
CHOSEN = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "111122223333",
    "AWS_SECRET_ACCESS_KEY": "whatever",
}


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """A MiniStack with IAM, as a person would start it, with nothing in common with the stack but the machine."""
    folder.mkdir()
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "DOCKER_HOST": "unix:///none",
        "MINISTACK_REGION": CHOSEN["AWS_REGION"],
        "MINISTACK_ACCOUNT_ID": CHOSEN["AWS_ACCESS_KEY_ID"],
        "TMPDIR": str(folder),
        "AUTH": "true" if IAM["HEADWATER_IAM"] else "false",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / ".venv-emulator" / "bin" / "python", "-P", ROOT / "localstack/localrun/enforcing_ministack.py"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(
            lambda: process.poll() is not None or answers(f"{url}/_ministack/ready"), "the emulator is ready", 60
        )
        yield url
    finally:
        end(process, within_seconds=20)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(600)
def test_a_stack_on_somebody_elses_endpoint_goes_live_and_leaves_the_endpoint_running(tmp_path: Path) -> None:
    with emulator(tmp_path / "emulator") as endpoint:
        settings = {**CHOSEN, "AWS_ENDPOINT_URL": endpoint, **IAM}
        with running_stack(tmp_path / "data", PORT_OFFSET, settings=settings) as stack:
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", OWN_EMULATOR)) != 0, "a MiniStack of its own runs as well"
            stream = stack.create_stream()
            with encoder(ffmpeg_command(stream.publish_url, Picture(size="320x180"))):
                stream.wait_for_playlist(120)
            stream.stop()
            assert stream.wait_for_recording()["status"] == "ready"
        cloudformation = boto3.client(
            "cloudformation",
            endpoint_url=endpoint,
            region_name=CHOSEN["AWS_REGION"],
            aws_access_key_id=CHOSEN["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CHOSEN["AWS_SECRET_ACCESS_KEY"],
        )
        found = cloudformation.describe_stacks(StackName="headwater-local-api")["Stacks"][0]["StackId"]
        assert found.startswith("arn:aws:cloudformation:eu-central-1:111122223333:stack/"), found


class NoEmulator(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(("what", "offset"), [("nothing", PORT_OFFSET + 200), ("a web server", PORT_OFFSET + 400)])
def test_an_endpoint_that_is_away_or_is_no_emulator_is_named(what: str, offset: int, tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), NoEmulator) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port if what == "a web server" else free_port()
        ended = subprocess.run(
            [sys.executable, "-m", "localrun", "up"],
            env=stack_environment(tmp_path / "data", offset)
            | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", **CHOSEN},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        server.shutdown()
    assert ended.returncode == 1
    assert f"AWS_ENDPOINT_URL=http://127.0.0.1:{port}" in ended.stdout, ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    assert list((tmp_path / "data" / "run").iterdir()) == [tmp_path / "data" / "run" / "lock"]
