"""`rediss://` is not only encrypted: whoever answers has to prove to be the cache before a command is sent."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from pathlib import Path

import pytest

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from tests.authorities import Authority
from tests.http_servers import serving


class Listener(socketserver.ThreadingTCPServer):
    """Takes TLS and notes what it is told; it has nothing to answer."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.told = b""
        self.heard = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: Listener

    def handle(self) -> None:
        with contextlib.suppress(OSError), self.server.context.wrap_socket(self.request, server_side=True) as wrapped:
            self.server.told += wrapped.recv(1000)
        self.server.heard.set()


@pytest.fixture
def believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Whom this machine believes for as long as the test lasts, and nobody else."""
    authority = Authority.named("an authority of this test")
    Path(tmp_path, "believed.pem").write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "believed.pem"))
    return authority


def told(authority: Authority, host: str, folder: Path) -> bytes:
    """What somebody hears at 127.0.0.1 whom `authority` has certified to be `host`."""
    Path(folder, "shown.pem").write_bytes(b"".join(authority.certify(host)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "shown.pem")
    cache_client.cache_clear()
    listener = Listener(context)
    with serving(listener):
        with pytest.raises(CACHE_FAILURES):  # refused, or not answered
            cache_client(f"rediss://127.0.0.1:{listener.server_address[1]}").ping()
        listener.heard.wait(timeout=5)
    cache_client.cache_clear()
    return listener.told


def test_who_is_certified_is_told_a_command(believed: Authority, tmp_path: Path) -> None:
    assert told(believed, "127.0.0.1", tmp_path).startswith(b"*")


def test_who_is_certified_for_another_name_is_told_nothing(believed: Authority, tmp_path: Path) -> None:
    assert told(believed, "cache.example.com", tmp_path) == b""


@pytest.mark.parametrize("name", ["somebody else", "an authority of this test"])
def test_who_is_certified_by_somebody_else_is_told_nothing(believed: Authority, tmp_path: Path, name: str) -> None:
    assert told(Authority.named(name), "127.0.0.1", tmp_path) == b""
