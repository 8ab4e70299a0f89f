"""Stage 1 → 2 · the hook relay: publish fails closed, update fails open, done is spooled and never lost.

nginx-rtmp can neither sign nor speak TLS nor try again, reads only the first digit of a status, and gives up after ten
seconds; this process on loopback does all that for it.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from headwater.hook_signature import HookOrigin
from rtmp_ingest.done_sender import DoneSender
from rtmp_ingest.done_spool import SpooledDone
from rtmp_ingest.hook import Hook
from rtmp_ingest.hooks_api import HookAnswer, HooksApi, HooksUnreachable

PUBLISH_SECONDS = 7.0  # the whole of it; nginx's http{} waits 8, nginx-rtmp 10
SETTLE_SECONDS = 1.5
UPDATE_SECONDS = 3.0
MAX_OVERTAKING = 256
_FIRST_PAUSE_SECONDS = 0.2
_STREAM_NAME = re.compile(r"[A-Za-z0-9-]{1,200}")  # anything with a colon or a slash would mean something else to nginx
_LABEL = re.compile(r"(?P<broadcast>.+)-(?P<session>\d+)-[0-9a-f]{32}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What nginx is answered."""

    status: int
    location: str | None = None


REFUSE = Reply(403)
UNDECIDED = Reply(503)  # refuses a publisher; nginx's http{} turns it into "go on" for an update
GO_ON = Reply(204)


class HookRelay:
    def __init__(
        self, *, node: str, pull_base: str, api: HooksApi, dones: DoneSender, attach: Callable[[str], bool]
    ) -> None:
        """`attach` has a stream buffered from its first frame on; whether that is certain."""
        self._node = node
        self._pull_base = pull_base
        self._api = api
        self._dones = dones
        self._attach = attach
        self._names: dict[str, str] = {}  # by client id: what the stream is called now
        self._lock = threading.Lock()
        self._publishers: dict[str, Hook] = {}  # by client id: the publish that was accepted, or is being decided
        self._overtaking: dict[str, int] = {}  # by client id: when a done was fired that came before its publish
        self._draining = False

    @property
    def publishers(self) -> int:
        return len(self._publishers)

    def live_names(self) -> list[str]:
        """The streams' names, as far as publishers were accepted."""
        with self._lock:
            return list(self._names.values())

    @property
    def draining(self) -> bool:
        return self._draining

    def on_publish(self, hook: Hook) -> Reply:
        """302 with the stream's new name, 403 for a refusal, 503 when nobody could be asked in time."""
        give_up_at = time.monotonic() + PUBLISH_SECONDS
        if self._draining:
            return UNDECIDED
        if not hook.is_clean:
            log.info("publish refused", extra={**_about(hook), "answer": "malformed"})
            return REFUSE
        with self._lock:
            if self._overtaking.pop(hook.client_id, 0) < hook.occurred_at:
                self._publishers[hook.client_id] = hook
        with self._dones.held_back(hook):
            self._dones.settle(hook, SETTLE_SECONDS)
            answer = self._ask_until(give_up_at, hook)
            accepted = answer is not None and answer.status == 302 and _STREAM_NAME.fullmatch(answer.location or "")
            if answer is not None and answer.location is not None and accepted:
                with self._lock:
                    if hook.client_id in self._publishers:  # it may have gone meanwhile
                        self._names[hook.client_id] = answer.location
                if not self._attach(answer.location):  # before the encoder is told that it may begin
                    log.warning("not buffered yet, its beginning may be lost", extra=_about(hook, answer.location))
                log.info("publish accepted", extra=_about(hook, answer.location))
                return Reply(302, answer.location)
            self._forget(hook)
            if answer is not None and 400 <= answer.status < 500:
                log.info("publish refused", extra={**_about(hook), "answer": answer.status})
                return REFUSE
            # It may have been accepted without our knowing. nginx sends no done for a publisher it refuses, so we do,
            # or the encoder's next attempt would find its own claim in the way.
            log.warning("publish undecided, so refused", extra=_about(hook))
            self._spool(hook.as_done(_now()))
            return UNDECIDED

    def on_update(self, hook: Hook) -> Reply:
        """403 only when the API itself says that this publisher must go."""
        if hook.is_of_a_player:
            return GO_ON
        try:
            answer = self._api.post(self._origin(hook), hook.body, UPDATE_SECONDS)
        except HooksUnreachable:
            log.warning("no answer to an update; the publisher goes on", extra=self._about_known(hook))
            return GO_ON
        if answer.status == 403 and answer.deliberate:
            log.info("update kicked", extra=self._about_known(hook))
            return REFUSE
        if answer.status >= 300:
            about = {**self._about_known(hook), "answer": answer.status}
            log.warning("an update was not taken; the publisher goes on", extra=about)
        return GO_ON

    def on_done(self, hook: Hook) -> Reply:
        """Answered as soon as it is on disk."""
        if not hook.is_clean:  # its publish was refused for that, so there is nothing to end
            return GO_ON
        about = self._about_known(hook)
        self._forget(hook)
        self._spool(hook)
        log.info("done", extra=about)
        return GO_ON

    def drain(self) -> None:
        """Let nobody in any more."""
        self._draining = True

    def abandon_publishers(self) -> None:
        """nginx is gone and sent no done: say it in its place, for every publisher it had."""
        with self._lock:
            orphans = list(self._publishers.values())
            self._publishers.clear()
        for publish in orphans:
            self._spool(publish.as_done(_now()))

    def _ask_until(self, give_up_at: float, hook: Hook) -> HookAnswer | None:
        """The API's decision; None when there was none before `give_up_at`, or none worth the name."""
        pause = _FIRST_PAUSE_SECONDS
        while (left := give_up_at - time.monotonic()) > 0:
            try:
                answer = self._api.post(self._origin(hook), hook.body, left)
                if answer.status < 500 and answer.status != 429:
                    return answer if time.monotonic() < give_up_at else None  # nginx may have given up on a late one
            except HooksUnreachable:
                pass
            time.sleep(min(random.uniform(pause / 2, pause), max(0.0, give_up_at - time.monotonic())))  # noqa: S311
            pause *= 2
        return None

    def _spool(self, hook: Hook) -> None:
        self._dones.put(SpooledDone(self._node, self._pull_base, hook))

    def _forget(self, hook: Hook) -> None:
        """The connection publishes no more, unless it has begun again since `hook` was fired."""
        with self._lock:
            publish = self._publishers.get(hook.client_id)
            if publish is not None and publish.occurred_at <= hook.occurred_at:
                del self._publishers[hook.client_id]
                self._names.pop(hook.client_id, None)
            elif publish is None:
                self._overtaking[hook.client_id] = hook.occurred_at
                while len(self._overtaking) > MAX_OVERTAKING:
                    del self._overtaking[next(iter(self._overtaking))]

    def _about_known(self, hook: Hook) -> dict[str, object]:
        with self._lock:
            return _about(hook, self._names.get(hook.client_id))

    def _origin(self, hook: Hook) -> HookOrigin:
        return HookOrigin(self._node, self._pull_base, hook.occurred_at)


def _about(hook: Hook, name: str | None = None) -> dict[str, object]:
    """For the log: whose connection it is, and the broadcast and the session's number out of the stream's `name`; the
    random part of it is what keeps strangers from pulling it."""
    about: dict[str, object] = {"client_id": hook.client_id, "addr": hook.address}
    if name is not None and (label := _LABEL.fullmatch(name)):
        about |= {"broadcast_id": label["broadcast"], "session": int(label["session"])}
    return about


def _now() -> int:
    return time.time_ns() // 1_000_000
