"""A node leaves without anybody noticing: ECS is told while somebody publishes, and a node that drains waits for them."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from rtmp_ingest import node
from rtmp_ingest.publisher_count import PERIOD_SECONDS, PublisherCount
from rtmp_ingest.task_protection import EXPIRES_MINUTES, RENEW_SECONDS, RETRY_SECONDS, TaskProtection


class Agent(http.server.BaseHTTPRequestHandler):
    """ECS's agent, as far as a task can ask it."""

    told: ClassVar[list[tuple[str, Any]]] = []
    failing = False

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Agent.told.append((self.path, body))
        answer = {"failure": {"Reason": "TASK_NOT_VALID"}} if Agent.failing else {"protection": body}
        payload = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def agent_uri() -> Iterator[str]:
    Agent.told, Agent.failing = [], False
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api/task"
        server.shutdown()


PROTECT = ("/api/task/task-protection/v1/state", {"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MINUTES})
RELEASE = ("/api/task/task-protection/v1/state", {"ProtectionEnabled": False})


def test_ecs_is_told_when_somebody_publishes_and_when_nobody_does_any_more(agent_uri: str) -> None:
    now = [0.0]
    protection = TaskProtection(agent_uri, lambda: now[0])
    for publishers in (0, 1, 2, 1, 0, 0):
        protection.keep(publishers=publishers)
        now[0] += 1
    assert Agent.told == [PROTECT, RELEASE]


def test_a_deployment_finds_the_node_unprotected_once_an_hour_and_a_refusal_is_not_repeated_at_once(
    agent_uri: str,
) -> None:
    now = [0.0]
    protection = TaskProtection(agent_uri, lambda: now[0])
    Agent.failing = True
    for _ in range(10):
        protection.keep(publishers=1)
    assert len(Agent.told) == 1
    Agent.failing = False
    now[0] += RETRY_SECONDS
    protection.keep(publishers=1)
    now[0] += RENEW_SECONDS - 1
    protection.keep(publishers=1)
    assert len(Agent.told) == 2
    now[0] += 1
    protection.keep(publishers=1)
    assert len(Agent.told) == 3
    assert RENEW_SECONDS > EXPIRES_MINUTES * 60 + RETRY_SECONDS


def test_without_ecs_nobody_is_told() -> None:
    TaskProtection(None).keep(publishers=3)
    TaskProtection("file:///etc/passwd").keep(publishers=3)


def test_publishers_are_counted_once_a_minute_in_the_form_that_cloudwatch_reads() -> None:
    now, lines = [1_000.0], list[str]()
    count = PublisherCount("Headwater/prod", lines.append, lambda: now[0])
    for _ in range(10):
        count.tell(3)
        now[0] += PERIOD_SECONDS / 5
    assert len(lines) == 2
    said = json.loads(lines[0])
    assert (said["service"], said["Publishers"]) == ("rtmp-ingest", 3)
    [metric] = said["_aws"]["CloudWatchMetrics"]
    assert (metric["Namespace"], metric["Dimensions"]) == ("Headwater/prod", [["service"]])
    PublisherCount(None, lines.append).tell(1)
    assert len(lines) == 2


class Relay:
    def __init__(self, publishers: int) -> None:
        self.publishers, self.draining = publishers, False

    def drain(self) -> None:
        self.draining = True


def test_a_node_that_drains_waits_for_its_publishers_but_not_for_ever() -> None:
    nginx: Any = SimpleNamespace(is_running=True)
    relay: Any = Relay(1)
    threading.Timer(0.3, lambda: setattr(relay, "publishers", 0)).start()
    began_at = time.monotonic()
    node._drain(relay, nginx, 30)
    assert relay.draining
    assert 0.2 < time.monotonic() - began_at < 5
    relay.publishers = 1
    node._drain(relay, nginx, 0.2)
    assert relay.publishers == 1
    nginx.is_running = False
    node._drain(relay, nginx, 30)
    assert time.monotonic() - began_at < 6
