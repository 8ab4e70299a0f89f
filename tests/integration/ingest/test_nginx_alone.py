"""nginx by itself, with the relay gone or silent: what its own configuration answers nginx-rtmp in the relay's place."""

from __future__ import annotations

import http.client
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.settings import load_settings
from rtmp_ingest.nginx_conf import TEMPLATE, render
from rtmp_ingest.settings import Settings
from tests.nginx_rtmp import eventually
from tests.ports import free_port, listens
from tests.unit.ingest.test_nginx_conf import ENVIRONMENT

BODY = b"app=live&addr=10.0.0.9&clientid=3&call=publish&name=key&type=live"


@pytest.fixture(params=["gone", "silent"])
def relay_port(request: pytest.FixtureRequest) -> Iterator[int]:
    if request.param == "gone":
        yield free_port()
        return
    with socket.create_server(("127.0.0.1", 0)) as taking_everything_answering_nothing:
        yield taking_everything_answering_nothing.getsockname()[1]


@pytest.fixture
def nginx(relay_port: int, tmp_path: Path) -> Iterator[int]:
    """The port of its loopback server. It waits for the relay for a second at the most."""
    loopback_port = free_port()
    settings = load_settings(
        Settings,
        ENVIRONMENT
        | {
            "STATE_DIR": str(tmp_path),
            "RTMP_LISTEN": f"127.0.0.1:{free_port()}",
            "LOOPBACK_PORT": str(loopback_port),
            "RELAY_PORT": str(relay_port),
        },
    )
    (tmp_path / "temp").mkdir()
    impatient = TEMPLATE.read_text().replace("proxy_read_timeout 4s;", "proxy_read_timeout 1s;")
    impatient = impatient.replace("proxy_read_timeout 8s;", "proxy_read_timeout 1s;")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(render(settings, impatient))
    command = [settings.nginx, "-e", "stderr", "-p", str(tmp_path), "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            assert eventually(lambda: listens(loopback_port))
            yield loopback_port
        finally:
            process.terminate()


def test_without_its_relay_publish_fails_closed_update_fails_open_and_done_is_not_taken(nginx: int) -> None:
    assert {hook: _answer(nginx, hook) // 100 for hook in ("publish", "update", "done")} == {
        "publish": 5, "update": 2, "done": 5,
    }  # fmt: skip


def _answer(port: int, hook: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", f"/hooks/{hook}", BODY, {"Content-Type": "application/x-www-form-urlencoded"})
        return connection.getresponse().status
    finally:
        connection.close()
