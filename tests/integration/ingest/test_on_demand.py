"""Ingest on demand, with real nodes, encoders and announcements: asked for, open, published to, and gone again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from functions.api.use_cases.ingest_doors import OnDemand
from functions.ingest_nodes.settle_nodes import SettleNodes
from headwater.adapters.ingest_fleet_store import IngestFleetStore
from headwater.adapters.stream_controls import StreamControls
from headwater.broadcasts import unix_ms
from headwater.domain.broadcast_events import Stop
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.ingest_fleet import FleetLimits, IngestState
from headwater.errors import DependencyUnavailable, IngestFull, LimitReached
from tests.aws import STREAM_TABLE
from tests.hooks_api import PATH, HooksApi
from tests.integration.ingest.conftest import Stream, is_live
from tests.nginx_rtmp import IngestNode, encoder, eventually

LIMITS = FleetLimits(nodes=1, publishers_per_node=12, wishes_per_owner=2, wish_ms=3_000)
OWNER = UserId("owner")


class ProcessTasks:
    """ECS, whose tasks are nodes of this machine: the same one for the same id."""

    def __init__(self, folder: Path, hooks: HooksApi) -> None:
        self._folder = folder
        self._hooks = hooks
        self.nodes: dict[str, IngestNode] = {}
        self.down = False

    def start(self, node_id: str) -> str:
        if self.down:
            raise DependencyUnavailable
        if node_id not in self.nodes:
            announced_to = self._hooks.url.replace(PATH, "/ingest/nodes")
            more = {"NODE_ID": node_id, "ANNOUNCE_URL": announced_to, "ANNOUNCE_SECONDS": "0.2"}
            self.nodes[node_id] = IngestNode(self._folder / node_id, self._hooks.url, drain_seconds="60", more=more)
        return node_id

    def stop(self, task_id: str, reason: str) -> None:
        self.nodes[task_id].process.terminate()

    def running(self) -> dict[str, str]:
        return {node_id: node_id for node_id, node in self.nodes.items() if node.process.poll() is None}


class Deployment:
    def __init__(self, folder: Path, hooks: HooksApi) -> None:
        self.later_ms = 0  # this much time passes in an instant, for all but the node
        self.tasks = ProcessTasks(folder, hooks)
        self.fleets = IngestFleetStore(STREAM_TABLE)
        self.told = 0
        self.doors = OnDemand(self.fleets, LIMITS, self._tell, self.clock)
        self.settle = SettleNodes(self.fleets, self.tasks, StreamControls(STREAM_TABLE), LIMITS, self.clock)

    def clock(self) -> int:
        return unix_ms() + self.later_ms

    def _tell(self) -> None:
        self.told += 1

    def opened(self, stream_id: StreamId) -> str:
        """The address to publish to, once there is one."""
        assert eventually(lambda: self.doors.look(stream_id).state is IngestState.OPEN)
        [server] = self.doors.look(stream_id).servers
        return server

    def publishers_told(self, publishers: int) -> Callable[[], bool]:
        return lambda: sum(node.publishers for node in self.fleets.load().nodes) == publishers


@pytest.fixture
def deployment(tmp_path: Path, api: HooksApi) -> Iterator[Deployment]:
    made = Deployment(tmp_path, api)
    yield made
    for node in made.tasks.nodes.values():
        node.process.kill()
        node.process.wait()


def test_a_node_comes_when_it_is_asked_for_stays_while_somebody_publishes_and_goes_when_nobody_wants_it(
    deployment: Deployment, stream: Stream, api: HooksApi
) -> None:
    doors, settle = deployment.doors, deployment.settle
    settle()
    assert doors.look(stream.id).state is IngestState.CLOSED
    assert deployment.tasks.nodes == {}, "nothing runs until somebody asks"

    assert doors.open(stream.id, OWNER).state is IngestState.STARTING
    assert deployment.told == 1
    settle()
    server = deployment.opened(stream.id)
    [node] = deployment.tasks.nodes.values()
    assert server == node.base, "where it called from, and the port it listens on"

    with encoder(f"{server}/{stream.key}"):
        assert is_live(node, stream), node.log()
        assert eventually(deployment.publishers_told(1))
        assert eventually(lambda: doors.look(stream.id).state is IngestState.CLOSED)
        settle()  # it is on the air, so it wants its node, asked or not
        assert doors.look(stream.id).servers == (server,)
        assert deployment.tasks.running()
    assert eventually(lambda: stream.pull_url is None)
    assert eventually(lambda: doors.look(stream.id).state is IngestState.CLOSED)
    settle()
    assert doors.look(stream.id).servers == (server,), "an encoder that reconnects finds it"

    stream.broadcasts.apply(stream.id, Stop())
    assert eventually(deployment.publishers_told(0))
    assert eventually(lambda: doors.look(stream.id).state is IngestState.CLOSED)
    settle()
    assert eventually(lambda: node.process.poll() is not None), node.log()
    assert node.process.returncode == 0
    assert not node.is_listening()
    assert stream.key not in node.log()
    deployment.later_ms += 60_000
    settle()
    assert deployment.fleets.load().nodes == ()


def test_a_node_that_is_stopped_with_a_publisher_drains_and_who_asks_meanwhile_gets_another(
    deployment: Deployment, stream: Stream, other_stream: Stream
) -> None:
    deployment.doors.open(stream.id, OWNER)
    deployment.settle()
    server = deployment.opened(stream.id)
    [first] = deployment.tasks.nodes.values()
    with encoder(f"{server}/{stream.key}"):
        assert is_live(first, stream), first.log()
        first.process.terminate()  # AWS needs the machine
        assert eventually(lambda: all(node.leaving for node in deployment.fleets.load().nodes)), first.log()
        assert deployment.doors.open(other_stream.id, OWNER).state is IngestState.STARTING
        deployment.settle()
        assert deployment.opened(other_stream.id) != server
        assert first.process.poll() is None, "who publishes goes on"
    assert eventually(lambda: first.process.poll() is not None)


def test_of_many_who_ask_at_once_one_adds_the_node_and_the_others_find_it(deployment: Deployment) -> None:
    streams = [StreamId(new_id()) for _ in range(8)]
    threads = [
        Thread(target=deployment.doors.open, args=(each, UserId(f"owner{number}")))
        for number, each in enumerate(streams)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fleet = deployment.fleets.load()
    assert len(fleet.nodes) == 1
    assert {wish.node_id for wish in fleet.wishes.values()} == {fleet.nodes[0].node_id}
    assert fleet.wishes.keys() == set(streams)


def test_a_start_that_fails_is_tried_again_and_what_is_refused_says_why(deployment: Deployment, stream: Stream) -> None:
    deployment.tasks.down = True
    assert deployment.doors.open(stream.id, OWNER).state is IngestState.STARTING
    deployment.settle()
    assert deployment.tasks.nodes == {}
    assert deployment.fleets.load().waits_for_tasks
    deployment.tasks.down = False
    deployment.settle()
    assert not deployment.fleets.load().waits_for_tasks
    deployment.doors.open(StreamId(new_id()), OWNER)
    with pytest.raises(LimitReached, match="2 streams"):
        deployment.doors.open(StreamId(new_id()), OWNER)
    for number in range(LIMITS.publishers_per_node - 2):
        deployment.doors.open(StreamId(new_id()), UserId(f"owner{number}"))  # within the seconds that a wish holds here
    with pytest.raises(IngestFull):
        deployment.doors.open(StreamId(new_id()), UserId("one too many"))
