"""Stage 1 · ingest on demand: starts the nodes that are wanted, and stops those that nobody wants and nobody publishes to.

What is to be is committed before anything is done about it. So who asks while a node is being stopped finds it leaving, and
gets another one; and what is done twice is done once: a start carries the node's id as its token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId, new_id
from headwater.domain.ingest_fleet import FleetLimits, IngestFleet, OnTheAir, Settled, settle, started
from headwater.errors import DependencyUnavailable, StateContended
from headwater.observability import count, logger


class Fleets(Protocol):
    def load(self) -> IngestFleet: ...
    def change(self, rule: Callable[[IngestFleet], IngestFleet]) -> IngestFleet: ...


class NodeTasks(Protocol):
    def start(self, node_id: str) -> str: ...
    def stop(self, task_id: str, reason: str) -> None: ...
    def running(self) -> Mapping[str, str]: ...


class Streams(Protocol):
    def unsettled(self) -> Iterable[StreamId]: ...
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


class SettleNodes:
    def __init__(
        self, fleets: Fleets, tasks: NodeTasks, streams: Streams, limits: FleetLimits, clock: Callable[[], int]
    ) -> None:
        self._fleets = fleets
        self._tasks = tasks
        self._streams = streams
        self._limits = limits
        self._clock = clock

    def __call__(self) -> None:
        """What cannot be done now is done with the next minute."""
        try:
            tasks = self._tasks.running()  # before the fleet is read: a task that is listed was somebody's node then
            if not tasks and self._fleets.load() == IngestFleet():
                return  # nobody wants anything, which is how most minutes are
            done = self._settle(tasks)
        except (DependencyUnavailable, StateContended):
            logger().exception("ingest nodes not looked at")
            count("IngestNodesNotSettled")
            return
        for node_id in done.never_came:
            logger().error("an ingest node did not come", extra={"node": node_id})
            count("IngestNodeNotStarted")
        for task_id in done.to_stop:
            self._stop(task_id, tasks[task_id])
        for node_id in done.to_start:
            self._start(node_id)

    def _settle(self, tasks: Mapping[str, str]) -> Settled:
        on_the_air = dict(self._on_the_air())
        committed: list[Settled] = []

        def rule(fleet: IngestFleet) -> IngestFleet:
            committed.append(settle(fleet, on_the_air, tasks, self._clock(), self._limits, new_id))
            return committed[-1].fleet

        self._fleets.change(rule)
        return committed[-1]

    def _on_the_air(self) -> Iterable[tuple[StreamId, OnTheAir]]:
        for stream_id in self._streams.unsettled():
            control = self._streams.load(stream_id)
            broadcast = None if control is None else control.broadcast
            if control is not None and broadcast is not None and broadcast.is_active:
                session = broadcast.session or broadcast.silent_session
                # Hooks name a run of a node, `<node id>-<hex digits>`.
                node_id = None if session is None else session.ref.node.rpartition("-")[0]
                yield stream_id, OnTheAir(control.owner_id, node_id)

    def _start(self, node_id: str) -> None:
        try:
            task_id = self._tasks.start(node_id)
            self._fleets.change(lambda fleet: started(fleet, node_id, task_id))
        except (DependencyUnavailable, StateContended):
            logger().exception("ingest node not started", extra={"node": node_id})
            count("IngestNodeNotStarted")
            return
        logger().info("ingest node started", extra={"node": node_id, "task_id": task_id})
        count("IngestNodesStarted")

    def _stop(self, task_id: str, node_id: str) -> None:
        try:
            self._tasks.stop(task_id, "nobody wants to publish there")
        except DependencyUnavailable:
            logger().exception("ingest node not stopped", extra={"node": node_id, "task_id": task_id})
            count("IngestNodesNotSettled")
            return
        logger().info("ingest node stopped", extra={"node": node_id, "task_id": task_id})
