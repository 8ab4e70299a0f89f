"""Stage 2 · one hook from its arrival to its answer: believe it, understand it, decide, tell the operators."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from functions.ingest_hooks.claim_publish import OwnersSlots, PublishLimits, Streams, claim_publish
from functions.ingest_hooks.end_publish import end_publish
from functions.ingest_hooks.ingest_event import IngestCall, IngestEvent, PublishAccepted, Verdict
from functions.ingest_hooks.keep_publish import keep_publish
from functions.ingest_hooks.nginx_rtmp import parse_hook
from functions.ingest_hooks.wire import SignedBody
from headwater.domain.ids import BroadcastId
from headwater.domain.stream_key import stream_id_of_key
from headwater.errors import HeadwaterError, HookRejected
from headwater.hook_signature import verify
from headwater.observability import count, logger


class Secrets(Protocol):
    """Asked for each hook, because a rotated secret must be seen by a running process."""

    def hook_secrets(self, now: int) -> Collection[bytes]: ...
    def stream_key_secret(self) -> bytes: ...


def answer_hook(
    request: SignedBody,
    streams: Streams,
    slots: OwnersSlots,
    limits: PublishLimits,
    secrets: Secrets,
    clock: Callable[[], int],
) -> PublishAccepted | Verdict:
    """What to do with the encoder. Raises HookRejected before anything of the body was looked at, the refusals of
    `claim_publish`, and the failures of `headwater.broadcasts`."""
    now = clock()
    try:
        event = parse_hook(verify(secrets.hook_secrets(now), request.headers, request.body, now=now), request.body)
    except HookRejected:
        count("HookRejected")
        raise
    try:
        match event.call:
            case IngestCall.PUBLISH:
                key_secret = secrets.stream_key_secret()
                decided: PublishAccepted | Verdict = claim_publish(streams, slots, limits, event, key_secret, now)
            case IngestCall.UPDATE:
                decided = keep_publish(streams, event, secrets.stream_key_secret())
            case IngestCall.DONE:
                end_publish(streams, event)
                decided = Verdict.GO_ON
            case IngestCall.NEUTRAL:
                decided = Verdict.GO_ON
    except HeadwaterError as error:
        if event.call is IngestCall.PUBLISH:
            count("PublishesRefused")
        _report(event, error.code)
        raise
    if isinstance(decided, PublishAccepted):
        count("PublishesAccepted")
        _report(event, "accepted", decided.broadcast_id)
    elif event.call is not IngestCall.UPDATE or decided is Verdict.DROP:  # a heartbeat that goes on is no news
        _report(event, decided.value)
    return decided


def _report(event: IngestEvent, outcome: str, broadcast_id: BroadcastId | None = None) -> None:
    """One line and one count. Names the connection and the stream that the key claims to be of, never the key."""
    logger().info(
        "hook answered",
        extra={
            "call": event.call,
            "outcome": outcome,
            "node": event.node,
            "client_id": event.client_id,
            "stream_id": stream_id_of_key(event.key),
            "broadcast_id": broadcast_id,
        },
    )
    count(f"{event.call.value}_{outcome}")
