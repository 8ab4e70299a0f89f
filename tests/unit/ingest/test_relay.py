"""The relay between nginx's hooks and the API: what nginx is answered when the API is slow, away, or not itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater.hook_signature import HookOrigin
from rtmp_ingest import relay
from rtmp_ingest.done_sender import DoneSender
from rtmp_ingest.done_spool import DoneSpool
from rtmp_ingest.hook import Hook
from rtmp_ingest.hooks_api import HookAnswer, HooksUnreachable
from rtmp_ingest.relay import GO_ON, REFUSE, UNDECIDED, HookRelay, Reply

ACCEPTED = HookAnswer(302, "0" * 22 + "-1-" + "a" * 32, deliberate=True)
DONE = HookAnswer(204, None, deliberate=True)


def hook(call: bytes, occurred_at: int) -> Hook:
    return Hook(b"app=live&addr=10.0.0.9&clientid=3&call=" + call + b"&name=key&type=live", occurred_at)


class Api:
    """Answers as it is told, in place of the HTTP API. `posted`: (body, when it occurred)."""

    def __init__(self) -> None:
        self.answer: Callable[[], HookAnswer] = lambda: DONE
        self.posted: list[tuple[bytes, int]] = []

    def post(self, origin: HookOrigin, body: bytes, timeout_seconds: float) -> HookAnswer:
        del timeout_seconds
        self.posted.append((body, origin.occurred_at))
        return DONE if b"call=publish_done" in body else self.answer()


class Node:
    def __init__(self, folder: Path) -> None:
        self.api = Api()
        self.attached: list[str] = []
        self.dones = DoneSender(DoneSpool(folder), self.api)  # type: ignore[arg-type]
        self.relay = HookRelay(
            node="node-1", pull_base="http://n/sources", api=self.api, dones=self.dones, attach=self._attach  # type: ignore[arg-type]
        )  # fmt: skip
        self.dones.start()

    def _attach(self, name: str) -> bool:
        self.attached.append(name)
        return True


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.dones.stop()


def unreachable() -> HookAnswer:
    raise HooksUnreachable


def test_an_accepted_publish_gets_its_new_name_once_it_is_buffered(node: Node) -> None:
    node.api.answer = lambda: ACCEPTED
    assert node.relay.on_publish(hook(b"publish", 10)) == Reply(302, ACCEPTED.location)
    assert node.attached == node.relay.live_names() == [ACCEPTED.location]


@pytest.mark.parametrize(
    ("accepted", "after_seconds"),
    [(ACCEPTED, 0.4), (HookAnswer(302, "https://login.example.org/", deliberate=True), 0)],
    ids=["too late", "no name"],
)
def test_a_publish_that_is_accepted_too_late_or_without_a_name_is_refused_and_its_claim_given_back(
    accepted: HookAnswer, after_seconds: float, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "PUBLISH_SECONDS", 0.3)

    def answer() -> HookAnswer:
        time.sleep(after_seconds)
        return accepted

    node.api.answer = answer
    assert node.relay.on_publish(hook(b"publish", 10)) == UNDECIDED
    assert node.dones.flush(20) == 0
    done, occurred_at = node.api.posted[-1]
    assert done == hook(b"publish_done", 0).body
    assert occurred_at > 10
    assert node.attached == node.relay.live_names() == []


def test_a_publish_is_asked_again_until_somebody_answers(node: Node) -> None:
    answers: Iterator[Callable[[], HookAnswer]] = iter(
        [unreachable, lambda: HookAnswer(503, None, deliberate=False), lambda: ACCEPTED]
    )
    node.api.answer = lambda: next(answers)()
    assert node.relay.on_publish(hook(b"publish", 10)).status == 302
    assert len(node.api.posted) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_whatever_refusal_keeps_a_newcomer_out(status: int, node: Node) -> None:
    node.api.answer = lambda: HookAnswer(status, None, deliberate=False)
    assert node.relay.on_publish(hook(b"publish", 10)) == REFUSE


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (lambda: HookAnswer(403, None, deliberate=True), REFUSE),
        (lambda: HookAnswer(403, None, deliberate=False), GO_ON),
        (lambda: HookAnswer(404, None, deliberate=True), GO_ON),
        (lambda: HookAnswer(500, None, deliberate=True), GO_ON),
        (unreachable, GO_ON),
    ],
    ids=["a deliberate 403", "a 403 on the way", "404", "500", "nobody"],
)
def test_only_a_deliberate_403_drops_a_publisher_that_is_on_the_air(
    answer: Callable[[], HookAnswer], reply: Reply, node: Node
) -> None:
    node.api.answer = answer
    assert node.relay.on_update(hook(b"update_publish", 20)) == reply


def test_a_publisher_that_left_while_its_publish_was_being_decided_is_not_counted(node: Node) -> None:
    def leaves_meanwhile() -> HookAnswer:
        assert node.relay.on_done(hook(b"publish_done", 11)) == GO_ON
        return ACCEPTED

    node.api.answer = leaves_meanwhile
    node.relay.on_publish(hook(b"publish", 10))
    assert node.dones.flush(20) == 0
    assert (node.relay.publishers, node.relay.live_names()) == (0, [])
    assert [b"publish_done" in body for body, _ in node.api.posted] == [False, True], "never before its publish"
