from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.ingest_hooks import wiring
from functions.ingest_hooks.handler import handler
from headwater.adapters import aws
from headwater.broadcasts import Broadcasts
from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.stream_key import derive_stream_key
from tests.aws import EVENT_BUS, STREAM_TABLE, fresh_account
from tests.hooks_api import HooksApi, hooks_api
from tests.nginx_rtmp import SIGNING_KEY, IngestNode, eventually, ingest_node

KEY_SECRET = "a stream key secret for integration tests"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[HooksApi]:
    """The hook function on a moto account, behind a real socket."""
    with fresh_account(monkeypatch) as account:
        for name, value in {"hooks": SIGNING_KEY, "keys": KEY_SECRET}.items():
            aws.client("secretsmanager").create_secret(Name=name, SecretString=f'{{"secret": "{value}"}}')
        environment = {
            "STREAM_TABLE": STREAM_TABLE,
            "EVENT_BUS": EVENT_BUS,
            "PULSE_QUEUE_URL": account.pulse_queue,
            "STREAM_KEY_SECRET": "keys",
            "HOOK_SECRET": "hooks",
            "POWERTOOLS_SERVICE_NAME": "ingest_hooks",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        wiring.forget()
        with hooks_api(handler) as running:
            yield running
        wiring.forget()


@pytest.fixture
def node(api: HooksApi, tmp_path: Path) -> Iterator[IngestNode]:
    with ingest_node(tmp_path / "node", api.url) as running:
        yield running


class Stream:
    """One stream in the hot state, with its key."""

    def __init__(self) -> None:
        self.id = StreamId(new_id())
        self.key = derive_stream_key(KEY_SECRET.encode(), self.id, 1)
        self.broadcasts: Broadcasts = wiring.broadcasts()
        self.broadcasts.create(StreamControl(stream_id=self.id, owner_id=UserId(new_id())))

    @property
    def control(self) -> StreamControl:
        control = self.broadcasts.read(self.id)
        assert control is not None
        return control

    @property
    def pull_url(self) -> str | None:
        """Of the publish session that holds the claim."""
        broadcast = self.control.broadcast
        return broadcast.session.pull_url if broadcast and broadcast.session else None


def is_live(node: IngestNode, stream: Stream) -> bool:
    """Whether the stream's name has reached the node. The claim is written a moment before the node hears of it, so
    whoever pulls at once must be ready to ask again."""

    def named() -> bool:
        url = stream.pull_url
        return url is not None and url.rpartition("/")[2] in node.stat()

    return eventually(named)


@pytest.fixture
def stream(api: HooksApi) -> Stream:
    return Stream()


@pytest.fixture
def other_stream(api: HooksApi) -> Stream:
    return Stream()
