"""How hooks travel from the relay to the API: kept-alive connections, verified TLS, dones in order and never early."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headwater.hook_signature import HookOrigin, verify
from headwater.settings import load_settings
from rtmp_ingest.done_sender import DoneSender
from rtmp_ingest.done_spool import DoneSpool, SpooledDone
from rtmp_ingest.hook import Hook
from rtmp_ingest.hooks_api import HooksApi as HooksClient
from rtmp_ingest.hooks_api import HooksUnreachable
from rtmp_ingest.settings import Settings
from rtmp_ingest.task_address import pull_base
from tests.hooks_api import HooksApi, hooks_api
from tests.nginx_rtmp import SIGNING_KEY, eventually
from tests.unit.ingest.test_nginx_conf import ENVIRONMENT

ORIGIN = HookOrigin("node-1", "http://10.0.3.7:1936/sources", 5)
BODY = b"app=live&clientid=5&call=publish_done&name=key"


def go_on(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {"statusCode": 204}


@pytest.fixture
def api() -> Iterator[HooksApi]:
    with hooks_api(go_on) as running:
        yield running


@pytest.fixture
def client(api: HooksApi) -> Iterator[HooksClient]:
    made = HooksClient(api.url, SIGNING_KEY.encode())
    yield made
    made.close()


def done(client_id: int, occurred_at: int) -> SpooledDone:
    body = b"app=live&clientid=%d&call=publish_done&name=key%d" % (client_id, client_id)
    return SpooledDone("node-1", ORIGIN.pull_base, Hook(body, occurred_at))


@pytest.fixture
def sender(client: HooksClient, tmp_path: Path) -> Iterator[DoneSender]:
    made = DoneSender(DoneSpool(tmp_path / "spool"), client)
    yield made
    made.stop()


def test_a_posted_hook_verifies_and_its_body_is_untouched(api: HooksApi, client: HooksClient) -> None:
    assert client.post(ORIGIN, BODY, 2).status == 204
    (received,) = api.received
    assert received.body.encode() == BODY
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert verify([SIGNING_KEY.encode()], headers, BODY, now=time.time_ns() // 1_000_000) == ORIGIN


def test_one_connection_carries_many_hooks_and_a_closed_one_is_replaced(api: HooksApi, client: HooksClient) -> None:
    for _ in range(3):
        client.post(ORIGIN, BODY, 2)
    assert len(client._idle) == 1
    client._idle[0][1].sock.shutdown(2)  # what a load balancer does to an idle connection
    assert client.post(ORIGIN, BODY, 2).status == 204


def test_an_api_that_cuts_the_connection_or_is_not_there_is_unreachable(api: HooksApi, client: HooksClient) -> None:
    api.down = True
    with pytest.raises(HooksUnreachable):
        client.post(ORIGIN, BODY, 2)
    with pytest.raises(HooksUnreachable):
        HooksClient("http://127.0.0.1:9/", b"key").post(ORIGIN, BODY, 2)


def test_dones_of_one_connection_arrive_in_order(api: HooksApi, sender: DoneSender) -> None:
    api.forced_status = 503
    sender.start()
    for at in range(1, 6):
        sender.put(done(3, at))
    assert eventually(lambda: len(api.received) >= 2)
    api.forced_status = None
    assert sender.flush(10) == 0
    accepted = [int(hook.headers["X-Headwater-Occurred-At"]) for hook in api.received if hook.status == 204]
    assert accepted == [1, 2, 3, 4, 5]


def test_a_done_does_not_overtake_the_publish_that_is_on_its_way(api: HooksApi, sender: DoneSender) -> None:
    sender.start()
    publish = Hook(b"app=live&clientid=3&call=publish&name=key3", 20)
    with sender.held_back(publish):
        sender.put(done(3, 10))  # of an earlier publish on the same connection
        sender.settle(publish, 5)
        sender.put(done(3, 30))
        sender.put(done(4, 40))
        assert eventually(lambda: len(api.received) == 2)
        time.sleep(0.2)
        assert [hook.field("clientid") for hook in api.received] == ["3", "4"]
    assert sender.flush(5) == 0


def test_a_done_that_can_never_be_accepted_does_not_stay_in_the_way(api: HooksApi, sender: DoneSender) -> None:
    api.answer = lambda event, context: {"statusCode": 400, "headers": {"X-Headwater-Decision": "400"}}
    sender.start()
    sender.put(done(3, 1))
    assert sender.flush(5) == 0


def test_a_refusal_by_something_on_the_way_does_not_lose_a_done(api: HooksApi, sender: DoneSender) -> None:
    api.forced_status = 403
    sender.start()
    sender.put(done(3, 1))
    assert eventually(lambda: len(api.received) >= 2)
    assert sender.waiting == 1
    api.forced_status = None
    assert sender.flush(5) == 0


def test_a_done_that_the_disk_does_not_take_is_still_delivered(
    api: HooksApi, sender: DoneSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: DoneSpool, done: SpooledDone) -> SpooledDone:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DoneSpool, "write", full)
    sender.start()
    sender.put(done(3, 1))
    assert sender.flush(5) == 0
    assert len(api.received) == 1


def test_stopping_does_not_wait_for_an_api_that_hangs(tmp_path: Path) -> None:
    release = threading.Event()

    def hang(event: dict[str, Any], context: object) -> dict[str, Any]:
        release.wait(10)
        return {"statusCode": 204}

    with hooks_api(hang) as api:
        client = HooksClient(api.url, SIGNING_KEY.encode())
        sender = DoneSender(DoneSpool(tmp_path), client)
        sender.start()
        for client_id in range(16):
            sender.put(done(client_id, client_id))
        began = time.monotonic()
        assert sender.flush(0.2) == 16
        sender.stop()
        assert time.monotonic() - began < 3  # not a matter of speed: a hang would be sixteen times five seconds
        assert len(DoneSpool(tmp_path).left_behind()) == 16
        release.set()
        for thread in sender._threads:
            thread.join()
        client.close()


def test_tls_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = _self_signed_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with hooks_api(go_on) as api:
        api.socket = context.wrap_socket(api.socket, server_side=True)
        url = api.url.replace("http://", "https://")
        stranger = HooksClient(url, SIGNING_KEY.encode())
        with pytest.raises(HooksUnreachable):
            stranger.post(ORIGIN, BODY, 2)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusting = HooksClient(url, SIGNING_KEY.encode())
        assert trusting.post(ORIGIN, BODY, 2).status == 204
        trusting.close()
        misnamed = HooksClient(url.replace("127.0.0.1", "localhost"), SIGNING_KEY.encode())
        with pytest.raises(HooksUnreachable):
            misnamed.post(ORIGIN, BODY, 2)


def test_on_ecs_the_pull_base_is_the_task_s_own_address() -> None:
    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = {"DockerId": "x", "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.106"]}]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Metadata) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        uri = f"http://127.0.0.1:{server.server_port}/v4/abc"
        environment = {**ENVIRONMENT, "PULL_LISTEN": "0.0.0.0:1936", "ECS_CONTAINER_METADATA_URI_V4": uri}
        assert pull_base(load_settings(Settings, environment)) == "http://10.0.2.106:1936/sources"
        answering.join()


def _self_signed_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
