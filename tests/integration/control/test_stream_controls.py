"""The hot state in DynamoDB, and its outbox through SQS and EventBridge: nothing is lost and nobody overwrites anybody."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from functions.ingest_hooks.claim_publish import PublishLimits, claim_publish
from functions.ingest_hooks.ingest_event import IngestCall, IngestEvent
from headwater.adapters import aws
from headwater.adapters.outbox import Outbox
from headwater.adapters.owner_slots import OwnerSlots
from headwater.adapters.secrets import forget_secrets, secret
from headwater.adapters.stream_controls import StreamControls, decode_control, encode_control
from headwater.broadcasts import Broadcasts
from headwater.contracts import BroadcastChanged, BroadcastPulse, decode
from headwater.domain.broadcast import BroadcastEventName, StreamControl, StreamSettings
from headwater.domain.broadcast_events import Finalised, MediaSeen, RotateKey, Stop
from headwater.domain.decision import Outcome
from headwater.domain.ids import UserId, new_id
from headwater.domain.stream_key import derive_stream_key
from headwater.errors import Conflict, DependencyUnavailable, StateContended, TooManyBroadcasts
from tests.aws import EVENT_BUS, STREAM_TABLE, Account, received
from tests.factories import NOW, publish, session_ref, stream_control, update


def control_plane(account: Account, clock: Any = lambda: NOW) -> tuple[Broadcasts, StreamControls]:
    controls = StreamControls(STREAM_TABLE)
    return Broadcasts(controls, Outbox(EVENT_BUS, account.pulse_queue), clock), controls


def test_a_control_reads_back_as_it_was_written(account: Account) -> None:
    broadcasts, controls = control_plane(account)
    control = stream_control(settings=StreamSettings(reconnect_window_seconds=7))
    broadcasts.create(control)
    assert controls.load(control.stream_id) == control
    with pytest.raises(Conflict):
        broadcasts.create(control)


def test_a_control_of_an_older_or_newer_release_is_understood() -> None:
    control = stream_control()
    fields = json.loads(encode_control(control))
    for optional in ("settled_sessions", "news", "pulses", "previous", "deleted"):
        del fields[optional]
    fields["invented_later"] = {"a": 1}
    fields["settings"]["invented_later"] = True
    assert decode_control(json.dumps(fields)) == control


def test_a_write_on_an_outdated_version_is_refused(account: Account) -> None:
    broadcasts, controls = control_plane(account)
    control = stream_control()
    broadcasts.create(control)
    assert controls.commit(replace(control, key_version=2, version=1), 0)
    assert not controls.commit(replace(control, key_version=9, version=1), 0)
    stored = controls.load(control.stream_id)
    assert stored is not None
    assert stored.key_version == 2


def test_a_write_whose_answer_was_lost_counts_as_written(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcasts, controls = control_plane(account)
    control = stream_control()
    broadcasts.create(control)
    after = replace(control, key_version=2, version=1)
    monkeypatch.setattr("secrets.token_hex", lambda _: "the same request")
    assert controls.commit(after, 0)
    assert controls.commit(after, 0), "as when botocore sends a request again"
    monkeypatch.setattr("secrets.token_hex", lambda _: "another request")
    assert not controls.commit(after, 0), "even if it would write the very same"


def test_a_broadcast_is_told_from_start_to_recording_and_the_stream_then_rests(account: Account) -> None:
    broadcasts, controls = control_plane(account)
    control = stream_control()
    broadcasts.create(control)
    event = publish(session_ref())
    broadcasts.apply(control.stream_id, event)
    assert list(controls.unsettled()) == [control.stream_id]
    broadcasts.apply(control.stream_id, MediaSeen(event.candidate_id, 1))
    broadcasts.apply(control.stream_id, Stop())
    broadcasts.apply(control.stream_id, Finalised(event.candidate_id, 12.5, ("720p",)))
    assert list(controls.unsettled()) == []
    envelopes = [json.loads(body) for body in received(account.news_queue)]
    news = sorted((msgspec.convert(e["detail"], BroadcastChanged) for e in envelopes), key=lambda n: n.sequence)
    assert [each.name for each in news] == [
        BroadcastEventName.STARTED, BroadcastEventName.LIVE, BroadcastEventName.ENDED, BroadcastEventName.READY,
    ]  # fmt: skip
    assert {e["detail-type"] for e in envelopes} == {each.name.value for each in news}
    assert (news[-1].duration_seconds, news[-1].owner_id) == (12.5, control.owner_id)
    pulses = [decode(body, BroadcastPulse) for body in received(account.pulse_queue)]
    assert {pulse.broadcast_id for pulse in pulses} == {event.candidate_id}
    assert all(pulse.due is not None for pulse in pulses)


def test_of_publishers_that_come_at_the_same_moment_one_gets_the_stream(account: Account) -> None:
    broadcasts, controls = control_plane(account)
    control = stream_control()
    broadcasts.create(control)

    def attempt(number: int) -> Outcome:
        return broadcasts.apply(control.stream_id, publish(session_ref(str(number), NOW + number))).outcome

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(8)))
    assert sorted(outcomes) == [Outcome.ACCEPTED, *[Outcome.BUSY] * 7]
    stored = controls.load(control.stream_id)
    assert stored is not None
    assert stored.broadcast is not None
    assert stored.broadcast.sessions == 1
    started = [json.loads(body)["detail"]["broadcast_id"] for body in received(account.news_queue)]
    assert set(started) == {stored.broadcast.broadcast_id}


def test_no_change_is_lost_when_many_change_one_stream_at_once(account: Account) -> None:
    broadcasts, controls = control_plane(account)
    control = stream_control()
    broadcasts.create(control)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: broadcasts.apply(control.stream_id, RotateKey()), range(12)))
    stored = controls.load(control.stream_id)
    assert stored is not None
    assert stored.key_version == 13


def test_of_many_streams_of_one_owner_that_begin_at_once_no_more_than_allowed_are_on_the_air(account: Account) -> None:
    broadcasts, controls = control_plane(account)
    owner, key_secret = UserId(new_id()), b"a secret of more than thirty-two bytes"
    streams = [stream_control(owner_id=owner) for _ in range(6)]
    for control in streams:
        broadcasts.create(control)

    def begin(control: StreamControl) -> str:
        key = derive_stream_key(key_secret, control.stream_id, 1)
        event = IngestEvent(IngestCall.PUBLISH, "node", control.stream_id, key, NOW, "http://10.0.0.1:1936/sources")
        limits = PublishLimits(broadcasts_per_owner=2, longest_ms=60_000)
        try:
            claim_publish(broadcasts, OwnerSlots(STREAM_TABLE), limits, event, key_secret, NOW)
        except (TooManyBroadcasts, StateContended) as refused:
            return type(refused).__name__
        return "on the air"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(begin, streams))
    begun = [each for control in streams if (each := controls.load(control.stream_id)) and each.broadcast is not None]
    assert len(begun) == outcomes.count("on the air")
    assert 1 <= len(begun) <= 2
    assert [begin(control) for control in streams].count("on the air") == 2, "an encoder tries again"


def test_an_entry_that_the_bus_refuses_is_noticed_and_stays_in_the_outbox(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcasts, controls = control_plane(account)
    control = stream_control()
    broadcasts.create(control)
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
    with monkeypatch.context() as patch:
        patch.setattr(aws.client("events"), "put_events", lambda **_: refused)
        broadcasts.apply(control.stream_id, publish(session_ref()))
    stored = controls.load(control.stream_id)
    assert stored is not None
    assert [each.name for each in stored.news] == [BroadcastEventName.STARTED]
    broadcasts.apply(control.stream_id, update(session_ref(), NOW + 2_000))
    assert len(received(account.news_queue)) == 1


def test_a_pulse_that_the_queue_refuses_is_noticed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcasts, _ = control_plane(account)
    control = stream_control()
    broadcasts.create(control)
    failed = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(aws.client("sqs"), "send_message_batch", lambda **_: failed)
    assert broadcasts.apply(control.stream_id, publish(session_ref())).control.pulses


def test_a_database_that_does_not_answer_is_a_transient_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(DependencyUnavailable):
        StreamControls("nowhere").load(stream_control().stream_id)


def test_a_rotated_secret_is_seen_and_one_that_cannot_be_read_serves_on(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name="hook", SecretString='{"secret": "old"}')
    assert secret("hook") == {"secret": "old"}
    secrets.put_secret_value(SecretId="hook", SecretString='{"secret": "new"}')
    monkeypatch.setattr("headwater.adapters.secrets.KEPT_SECONDS", 0.0)
    assert secret("hook") == {"secret": "new"}
    secrets.delete_secret(SecretId="hook", ForceDeleteWithoutRecovery=True)
    assert secret("hook") == {"secret": "new"}
    forget_secrets()
    with pytest.raises(DependencyUnavailable):
        secret("hook")


def test_a_secret_that_is_no_json_object_is_not_quoted_in_the_error(account: Account) -> None:
    aws.client("secretsmanager").create_secret(Name="bad", SecretString="hunter2")
    with pytest.raises(DependencyUnavailable) as caught:
        secret("bad")
    chain = [caught.value, caught.value.__cause__, getattr(caught.value.__cause__, "__context__", None)]
    assert not any("hunter2" in repr(error) + str(error) for error in chain)
