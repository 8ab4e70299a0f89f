"""Stages 4–5 · a broadcast's timeline in DynamoDB: a row per epoch and per segment, added only by the lease's holder."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator

import msgspec
from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from headwater.adapters.dynamodb_tables import (
    TimelineItem,
    connection_of,
    lease_items,
    timeline_items,
    unavailable_when_failing,
)
from headwater.adapters.leases import holds
from headwater.domain.ids import BroadcastId, StreamId
from headwater.domain.lease import Fence
from headwater.errors import Conflict, LeaseLost, NotFound
from headwater.media.timeline import Epoch, Segment, Timeline

_EPOCHS = "epoch#"
_SEGMENTS = "segment#"
_CONFLICT_ATTEMPTS = 8
_PAGE = 40  # segments, as many as a clip of a minute has and a few more

_encoder = msgspec.json.Encoder()
_epochs = msgspec.json.Decoder(Epoch)
_segments = msgspec.json.Decoder(Segment)


class Timelines:
    """Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, segment_table: str, lease_table: str) -> None:
        self._segment_table = segment_table
        self._lease_table = lease_table

    def append(self, fence: Fence, segment: Segment, epoch: Epoch | None = None) -> None:
        """Add `segment`, and `epoch` when it is the first of one, if and only if the lease is still held as `fence` says.

        Adding the very same rows again changes nothing. Raises LeaseLost, or Conflict when a different row is there.
        """
        rows = [self._row(fence.broadcast_id, _position(segment.sequence), segment)]
        if epoch is not None:
            rows.append(self._row(fence.broadcast_id, f"{_EPOCHS}{epoch.number:06d}", epoch))
        with unavailable_when_failing():
            for attempt in range(_CONFLICT_ATTEMPTS):
                try:
                    self._write(fence, rows)
                except TransactWriteError as error:
                    # Reasons come in the order of the operations: the lease first (PynamoDB sorts checks before puts).
                    codes = [reason.code if reason else "None" for reason in error.cancellation_reasons]
                    if codes and codes[0] == "ConditionalCheckFailed":
                        raise LeaseLost from None
                    if "ConditionalCheckFailed" in codes:
                        if all(self._is_stored(row) for row in rows):
                            return
                        raise Conflict("The timeline already has another row at this position.") from None
                    # TransactionConflict: the worker's own heartbeat was just being written; over in milliseconds.
                    if "TransactionConflict" not in codes or attempt == _CONFLICT_ATTEMPTS - 1:
                        raise
                    time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - no secret
                else:
                    return

    def load(self, stream_id: StreamId, broadcast_id: BroadcastId) -> Timeline:
        """Everything so far, strongly consistent."""
        with unavailable_when_failing():
            rows = list(timeline_items(self._segment_table).query(broadcast_id, consistent_read=True))
        return _timeline(stream_id, broadcast_id, rows)

    def epochs(self, broadcast_id: BroadcastId) -> tuple[Epoch, ...]:
        with unavailable_when_failing():
            rows = timeline_items(self._segment_table).query(
                broadcast_id, TimelineItem.position.startswith(_EPOCHS), consistent_read=True
            )
            return tuple(_epochs.decode(row.body) for row in rows)

    def segments(self, broadcast_id: BroadcastId) -> StoredSegments:
        return StoredSegments(self._segment_table, broadcast_id)

    def load_tail(self, stream_id: StreamId, broadcast_id: BroadcastId, segments: int) -> Timeline:
        """The last `segments` segments and every epoch, strongly consistent."""
        items = timeline_items(self._segment_table)
        with unavailable_when_failing():
            epochs = list(items.query(broadcast_id, TimelineItem.position.startswith(_EPOCHS), consistent_read=True))
            newest_first = list(
                items.query(
                    broadcast_id,
                    TimelineItem.position.startswith(_SEGMENTS),
                    scan_index_forward=False,
                    limit=segments,
                    consistent_read=True,
                )
            )
        return _timeline(stream_id, broadcast_id, [*epochs, *reversed(newest_first)])

    def delete(self, broadcast_id: BroadcastId) -> None:
        """Every row. Nobody must be able to add another: its lease is closed, or long gone."""
        items = timeline_items(self._segment_table)
        with unavailable_when_failing(), items.batch_write() as batch:
            for row in items.query(broadcast_id, attributes_to_get=["broadcast_id", "position"], consistent_read=True):
                batch.delete(row)

    def _row(self, broadcast_id: BroadcastId, position: str, content: Epoch | Segment) -> TimelineItem:
        body = _encoder.encode(content).decode()
        return timeline_items(self._segment_table)(broadcast_id=broadcast_id, position=position, body=body)

    def _write(self, fence: Fence, rows: list[TimelineItem]) -> None:
        with TransactWrite(connection=connection_of(timeline_items(self._segment_table))) as transaction:
            transaction.condition_check(lease_items(self._lease_table), fence.broadcast_id, condition=holds(fence))
            for row in rows:
                transaction.save(row, condition=TimelineItem.position.does_not_exist())

    def _is_stored(self, row: TimelineItem) -> bool:
        items = timeline_items(self._segment_table)
        stored = items.query(row.broadcast_id, TimelineItem.position == row.position, consistent_read=True)
        return any(found.body == row.body for found in stored)


class StoredSegments:
    """A `headwater.media.clips.RecordedSegments`. Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, segment_table: str, broadcast_id: BroadcastId) -> None:
        self._items = timeline_items(segment_table)
        self._broadcast_id = broadcast_id

    def newest(self) -> int | None:
        with unavailable_when_failing():
            of_segments = TimelineItem.position.startswith(_SEGMENTS)
            rows = self._items.query(
                self._broadcast_id, of_segments, scan_index_forward=False, limit=1, consistent_read=True
            )
            return next((_segments.decode(row.body).sequence for row in rows), None)

    def at(self, sequence: int) -> Segment:
        """Raises NotFound: all of it has been deleted meanwhile."""
        wanted = TimelineItem.position == _position(sequence)
        with unavailable_when_failing():
            for row in self._items.query(self._broadcast_id, wanted, consistent_read=True):
                return _segments.decode(row.body)
        raise NotFound

    def onwards(self, sequence: int) -> Iterator[Segment]:
        """Fetched as far as they are asked for."""
        with unavailable_when_failing():
            from_there = TimelineItem.position.between(_position(sequence), f"{_SEGMENTS}~")
            for row in self._items.query(self._broadcast_id, from_there, page_size=_PAGE, consistent_read=True):
                yield _segments.decode(row.body)


def _position(sequence: int) -> str:
    return f"{_SEGMENTS}{sequence:010d}"


def _timeline(stream_id: StreamId, broadcast_id: BroadcastId, rows: Iterable[TimelineItem]) -> Timeline:
    """Rows in order of position: epochs, then segments."""
    epochs: list[Epoch] = []
    segments: list[Segment] = []
    for row in rows:
        if row.position.startswith(_EPOCHS):
            epochs.append(_epochs.decode(row.body))
        else:
            segments.append(_segments.decode(row.body))
    return Timeline(stream_id, broadcast_id, tuple(epochs), tuple(segments))
