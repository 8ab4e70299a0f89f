"""The edge nginx, run for real before a stand-in bucket: cache times, request collapsing, errors, CORS and pages."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from headwater.domain.broadcast import Broadcast, BroadcastState, StreamControl, StreamSettings
from headwater.domain.ids import BroadcastId, StreamId
from headwater.domain.media_access import ENTRANCES
from headwater.media import object_keys
from infra.delivery_paths import PATHS, PathBehaviour
from infra.viewer_headers import CORS_EXPOSED, CORS_METHODS, CORS_REQUEST_HEADERS, MEDIA_HEADERS, page_headers
from localrun.edge import write_configuration
from tests.factories import NOW, stream_control
from tests.http_servers import serving
from tests.media_gate import MediaGate, media_gate, signed_cookies, signed_query
from tests.ports import free_port

STREAM = "0123456789abcdefghjkmn"
OBJECT = bytes(range(256)) * 4


class Bucket(ThreadingHTTPServer):
    """Answers by the last part of the path, and counts what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        self.release.set()

    def handle_error(self, request: object, client_address: object) -> None:
        """An edge that was stopped leaves its connections behind."""


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        name = self.path.partition("?")[0].rpartition("/")[2]
        self.server.release.wait(10)
        status = int(name) if name.isdigit() else 200
        body = OBJECT if status == 200 else b"<Error><RequestId>internal</RequestId></Error>"
        self.send_response(status)
        if name.endswith(".m4s"):
            self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        elif name.endswith(".m3u8"):
            self.send_header("Cache-Control", "public, max-age=1")
            self.send_header("Content-Type", object_keys.HLS_TYPE)
        elif name.endswith(".webp"):
            self.send_header("Cache-Control", object_keys.AVATAR)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("x-amz-request-id", "internal")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Edge:
    def __init__(self, url: str, api: str, bucket: Bucket, gate: MediaGate) -> None:
        self.url = url
        self.api = api
        self.bucket = bucket
        self.gate = gate

    def media(self, name: str) -> str:
        return f"{self.url}/{STREAM}/{name}"


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    bucket = Bucket()
    cdn, api, ws = free_port(), free_port(), free_port()
    stack = ExitStack()
    stack.enter_context(serving(bucket))
    gate = stack.enter_context(media_gate(f"http://127.0.0.1:{cdn}"))
    gate.is_now(stream_control(stream_id=StreamId(STREAM)))
    web = tmp_path / "web"
    web.mkdir()
    (tmp_path / "node_modules" / "hls.js" / "dist").mkdir(parents=True)
    (tmp_path / "node_modules" / "hls.js" / "dist" / "hls.mjs").write_text("export default 1;")
    (tmp_path / "node_modules" / "hls.js" / "dist" / "hls.min.mjs").write_text("export default 1;")
    (tmp_path / "node_modules" / "aws-cdk").mkdir()
    (tmp_path / "node_modules" / "aws-cdk" / "index.js").write_text("")
    for page in ("index", "watch", "studio"):
        (web / f"{page}.html").write_text(page)
    (web / "style.css").write_text("body { margin: 0 }" * 100)
    (web / "emotes").mkdir()
    (web / "emotes" / "hwCool.svg").write_text("<svg/>")
    values = {
        "USER": "user root;",
        "AWS": f"127.0.0.1:{bucket.server_address[1]}",
        "GATE": f"127.0.0.1:{gate.port}",
        "API_PORT": str(api),
        "WS_PORT": str(ws),
        "CDN_PORT": str(cdn),
        "HTTP_API": "api1",
        "SOCKET_API": "api2",
        "SOCKET_STAGE": "chat",
        "BUCKET": "media",
        "API_URL": f"http://127.0.0.1:{api}",
        "WS_URL": f"ws://127.0.0.1:{ws}",
        "CDN_URL": f"http://127.0.0.1:{cdn}",
        "UPLOAD_URL": "http://127.0.0.1:9",
        "WEB": str(web),
        "NODE_MODULES": str(tmp_path / "node_modules"),
        "RUN": str(tmp_path),
    }
    write_configuration(tmp_path, values)
    (tmp_path / "config.json").write_text('{"api": "there"}')
    nginx = subprocess.Popen(["/usr/sbin/nginx", "-e", "stderr", "-p", f"{tmp_path}/", "-c", "nginx.conf"])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", cdn)).close()
                break
            except OSError:
                assert nginx.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
        yield Edge(f"http://127.0.0.1:{cdn}", f"http://127.0.0.1:{api}", bucket, gate)
    finally:
        bucket.release.set()
        nginx.terminate()
        nginx.wait()
        stack.close()


@pytest.mark.parametrize("row", PATHS, ids=lambda row: row.name)
def test_every_row_of_the_table_of_paths_holds_here(edge: Edge, row: PathBehaviour) -> None:
    """The other side, of the distribution, is tests/infra/test_delivery.py."""
    for path, leads_to in row.examples:
        cookies = {}
        if row.signed:
            assert httpx.get(edge.url + path).status_code == 403
            cookies = signed_cookies(f"{edge.url}/{ENTRANCES[row.audience]}{STREAM}/*")
        before = len(edge.bucket.asked)
        answers = [
            httpx.get(f"{edge.url}{path}{query}", cookies={**cookies, **more}, headers={"Origin": edge.url})
            for query, more in (("", {}), ("?_=1", {"theme": "dark"}))
        ]
        asked = edge.bucket.asked[before:]
        for answer in answers:
            assert answer.status_code == 200, answer.text
            if row.origin == "media":
                assert MEDIA_HEADERS.items() <= {name.title(): value for name, value in answer.headers.items()}.items()
                assert answer.headers["access-control-allow-origin"] == edge.url
                assert answer.headers["access-control-allow-methods"] == ", ".join(CORS_METHODS)
                assert answer.headers["access-control-allow-headers"] == ", ".join(CORS_REQUEST_HEADERS)
                assert answer.headers["access-control-expose-headers"] == ", ".join(CORS_EXPOSED)
                assert answer.headers.get("access-control-allow-credentials") == ("true" if row.signed else None)
                assert answer.headers["cache-control"].startswith("private" if row.signed else "public")
            else:
                wanted = page_headers(connects=[edge.api])
                policy = answer.headers["content-security-policy"].split("; ")
                mine = wanted.pop("Content-Security-Policy").split("; ")
                assert [each.split()[0] for each in policy] == [each.split()[0] for each in mine]
                for name, value in wanted.items():
                    assert answer.headers[name] == value, name
        if row.origin == "pages":
            assert asked == []
        elif leads_to.endswith(".m3u8"):
            assert set(asked) <= {f"/media{leads_to}"}  # may run out between the two
            assert answers[0].headers["content-encoding"] == "gzip"
        else:
            assert asked in ([f"/media{leads_to}"], []), "a query or a cookie makes another object of it"
            assert "content-encoding" not in answers[0].headers
        if leads_to == "/style.css":
            assert answers[0].headers["content-encoding"] == "gzip"


def test_a_segment_is_fetched_once_whatever_its_query(edge: Edge) -> None:
    for query in ("", "?a=1", "?_=2"):
        answer = httpx.get(edge.media("b/720p/1-0.m4s") + query)
        assert answer.content == OBJECT
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert edge.bucket.asked == [f"/media/{STREAM}/b/720p/1-0.m4s"]


def test_many_viewers_of_a_new_object_cost_one_request(edge: Edge) -> None:
    edge.bucket.release.clear()
    with ThreadPoolExecutor(8) as viewers:
        answers = [viewers.submit(httpx.get, edge.media("b/720p/1-2000.m4s"), timeout=20) for _ in range(8)]
        while not edge.bucket.asked:
            time.sleep(0.01)
        edge.bucket.release.set()
        assert all(answer.result().content == OBJECT for answer in answers)
    assert len(edge.bucket.asked) == 1


def test_a_range_of_an_object_is_answered_from_the_whole(edge: Edge) -> None:
    answer = httpx.get(edge.media("b/720p/1-0.m4s"), headers={"Range": "bytes=2-5"})
    assert (answer.status_code, answer.content) == (206, OBJECT[2:6])
    assert answer.headers["content-range"] == f"bytes 2-5/{len(OBJECT)}"
    assert "Range" not in edge.bucket.headers[0]


@pytest.mark.parametrize("status", ["403", "404"])
def test_what_is_absent_is_absent_and_is_not_remembered(edge: Edge, status: str) -> None:
    for _ in range(2):
        answer = httpx.get(edge.media(status))
        assert answer.status_code == 404
        assert answer.headers["cache-control"] == "no-store"
        assert "internal" not in answer.text
    assert len(edge.bucket.asked) == 2


def test_an_origin_that_fails_is_a_503_that_is_not_remembered(edge: Edge) -> None:
    for _ in range(2):
        answer = httpx.get(edge.media("500"))
        assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert len(edge.bucket.asked) == 2


def test_only_our_pages_may_read_media_and_they_see_the_clock(edge: Edge) -> None:
    ours = httpx.get(edge.media("live.m3u8"), headers={"Origin": edge.url})
    assert ours.headers["access-control-allow-origin"] == edge.url
    assert "Date" in ours.headers["access-control-expose-headers"]
    assert "Origin" in ours.headers["vary"]
    stranger = httpx.get(edge.media("live.m3u8"), headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers
    preflight = httpx.options(edge.media("live.m3u8"), headers={"Origin": edge.url})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "Range"


def test_nothing_internal_reaches_the_viewer_and_nothing_personal_the_bucket(edge: Edge) -> None:
    answer = httpx.get(edge.media("live.m3u8"), headers={"Cookie": "session=1", "Authorization": "Bearer x"})
    assert not [name for name in answer.headers if name.startswith("x-amz")]
    assert not {"Cookie", "Authorization"} & set(edge.bucket.headers[0])


@pytest.mark.parametrize("path", ["/short/live.m3u8", f"/{STREAM}/..%2f..%2fother", f"/{STREAM}/a%20b", "/media/x"])
def test_a_path_that_is_not_ours_never_reaches_the_bucket(edge: Edge, path: str) -> None:
    assert httpx.get(edge.url + path).status_code in (400, 404)
    assert edge.bucket.asked == []


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", "index"),
        ("/studio", "studio"),
        (f"/watch/{STREAM}", "watch"),
        (f"/recordings/{STREAM}", "watch"),
    ],
)
def test_clean_urls_serve_pages_under_a_strict_policy(edge: Edge, path: str, page: str) -> None:
    answer = httpx.get(edge.url + path)
    assert (answer.status_code, answer.text) == (200, page)
    assert answer.headers["content-type"] == "text/html"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_get_their_addresses_and_the_packages_they_use_and_no_others(edge: Edge) -> None:
    assert httpx.get(f"{edge.url}/config.json").json() == {"api": "there"}
    module = httpx.get(f"{edge.url}/vendor/hls.js/dist/hls.mjs")
    assert (module.status_code, module.headers["content-type"]) == (200, "text/javascript")
    assert httpx.get(f"{edge.url}/vendor/aws-cdk/index.js").status_code == 404


def test_the_api_is_reached_at_its_root_with_the_clients_true_address(edge: Edge) -> None:
    httpx.get(f"{edge.api}/v1/streams?live=true", headers={"X-Forwarded-For": "6.6.6.6"})
    assert edge.bucket.asked == ["/_aws/execute-api/api1/$default/v1/streams?live=true"]
    assert edge.bucket.headers[0]["X-Forwarded-For"] == "127.0.0.1"


def test_a_body_that_api_gateway_would_refuse_is_refused_in_its_words(edge: Edge) -> None:
    answer = httpx.post(f"{edge.api}/v1/streams", content=b"x" * (11 << 20))
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})
    assert edge.bucket.asked == []


LIVE = f"/{STREAM}/live.m3u8"
BROADCAST = BroadcastId("1123456789abcdefghjkmn")


def eventually(expected: int, edge: Edge, path: str, cookies: dict[str, str] | None = None) -> httpx.Response:
    """That something is open to everybody is remembered for a second, by the gate and by the edge."""
    deadline = time.monotonic() + 20
    while True:
        answer = httpx.get(edge.url + path, cookies=cookies)
        if answer.status_code == expected or time.monotonic() > deadline:
            assert answer.status_code == expected, answer.text
            return answer
        time.sleep(0.1)


def private(**fields: object) -> StreamControl:
    return stream_control(stream_id=StreamId(STREAM), settings=StreamSettings(private=True), **fields)


def test_a_stream_that_turns_private_is_closed_to_strangers_also_what_the_cache_has(edge: Edge) -> None:
    segment = f"/{STREAM}/{BROADCAST}/720p/1-0.m4s"
    assert httpx.get(edge.url + segment).status_code == 200
    edge.gate.is_now(private())
    refused = eventually(404, edge, segment)
    assert refused.headers["cache-control"] == "no-store"
    assert refused.content != OBJECT
    eventually(404, edge, LIVE)
    cookies = signed_cookies(f"{edge.url}/private/{STREAM}/*")
    answer = httpx.get(f"{edge.url}/private{segment}", cookies=cookies)
    assert (answer.status_code, answer.content) == (200, OBJECT)
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert len(edge.bucket.asked) == 1  # the entrances share the cache, and the check comes before it
    assert httpx.get(f"{edge.url}/private{segment}").status_code == 403
    edge.gate.is_now(stream_control(stream_id=StreamId(STREAM)))
    assert httpx.get(edge.url + segment).status_code == 200, "a refusal is not remembered"


def test_only_a_signature_for_this_stream_and_this_entrance_opens_it(edge: Edge) -> None:
    edge.gate.is_now(private(withheld=(BROADCAST,)))
    other = "zzzzzzzzzzzzzzzzzzzzzz"
    edge.gate.is_now(stream_control(stream_id=StreamId(other), settings=StreamSettings(private=True)))
    cookies = signed_cookies(f"{edge.url}/private/{STREAM}/*")
    assert httpx.get(f"{edge.url}/private{LIVE}", cookies=cookies).status_code == 200
    for path, status in (
        (LIVE, b"404"),
        (f"/owner{LIVE}", b"403"),
        (f"/private/{other}/live.m3u8", b"403"),
        (f"/private/{STREAM}/{BROADCAST}/720p.m3u8", b"404"),  # withheld: for the owner alone
        (f"/private/{STREAM}/../{other}/live.m3u8", b"403"),
        (f"/private/{STREAM}/%2e%2e/{other}/live.m3u8", b"403"),
    ):
        with socket.create_connection(("127.0.0.1", int(edge.url.rpartition(":")[2]))) as wire:
            # httpx would resolve the dots itself
            header = "; ".join(f"{name}={value}" for name, value in cookies.items())
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {header}\r\nConnection: close\r\n\r\n".encode())
            assert wire.makefile("rb").readline().split()[1] == status, path
    owner = signed_cookies(f"{edge.url}/owner/{STREAM}/*")
    assert httpx.get(f"{edge.url}/owner/{STREAM}/{BROADCAST}/720p.m3u8", cookies=owner).status_code == 200


def test_a_preview_looks_as_a_stream_that_is_offline(edge: Edge) -> None:
    preview = Broadcast(BROADCAST, BroadcastState.LIVE, NOW, 1, 1, session=None, public=False, live_at=NOW)
    edge.gate.is_now(stream_control(stream_id=StreamId(STREAM), broadcast=preview, withheld=(BROADCAST,)))
    offline = httpx.get(edge.media("404"))
    viewer = signed_cookies(f"{edge.url}/private/{STREAM}/*")
    for path, cookies in ((LIVE, {}), (f"/{STREAM}/{BROADCAST}/720p.m3u8", {}), (f"/private{LIVE}", viewer)):
        answer = httpx.get(edge.url + path, cookies=cookies)
        assert (answer.status_code, answer.text) == (offline.status_code, offline.text) == (404, offline.text)
        assert answer.headers["cache-control"] == offline.headers["cache-control"]
    owner = signed_cookies(f"{edge.url}/owner/{STREAM}/*")
    assert httpx.get(f"{edge.url}/owner{LIVE}", cookies=owner).status_code == 200


def test_a_deleted_stream_or_recording_is_gone_for_everybody_though_the_cache_has_it(edge: Edge) -> None:
    segment = f"/{STREAM}/{BROADCAST}/720p/1-0.m4s"
    owner = signed_cookies(f"{edge.url}/owner/{STREAM}/*")
    assert httpx.get(edge.url + segment).status_code == 200
    edge.gate.is_now(stream_control(stream_id=StreamId(STREAM), removed=(BROADCAST,)))
    eventually(404, edge, segment)
    eventually(404, edge, f"/owner{segment}", owner)
    assert httpx.get(edge.url + LIVE).status_code == 200
    edge.gate.is_now(stream_control(stream_id=StreamId(STREAM), deleted=True))
    eventually(404, edge, LIVE)


def test_what_is_not_known_stays_closed_and_what_was_known_serves_on(edge: Edge) -> None:
    assert httpx.get(edge.url + LIVE).status_code == 200
    edge.gate.away = True
    unknown = httpx.get(f"{edge.url}/{'y' * 22}/live.m3u8")
    assert (unknown.status_code, unknown.headers["cache-control"]) == (503, "no-store")
    time.sleep(1.5)  # longer than anything is remembered: what is waited for is that nothing happens
    assert httpx.get(edge.url + LIVE).status_code == 200


def test_a_signed_query_opens_what_a_signed_cookie_opens_and_is_not_told_to_the_bucket(edge: Edge) -> None:
    edge.gate.is_now(private())
    query = signed_query(f"{edge.url}/private/{STREAM}/*")
    assert httpx.get(f"{edge.url}/private{LIVE}?{query}").status_code == 200
    assert edge.bucket.asked == [f"/media{LIVE}"]
    assert "Cookie" not in edge.bucket.headers[0]
