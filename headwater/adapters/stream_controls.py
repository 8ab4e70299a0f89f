"""Stages 2–4 · the hot state of streams in DynamoDB: one item per stream, written on condition of its version."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import msgspec
from pynamodb.exceptions import DeleteError, DoesNotExist, PutError

from headwater.adapters.dynamodb_tables import (
    CONDITION_FAILED,
    StreamItem,
    refusal_code,
    stream_items,
    unavailable_when_failing,
)
from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId, is_id

_UNSETTLED = "1"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StreamControl)


def encode_control(control: StreamControl) -> str:
    return _encoder.encode(control).decode()


def decode_control(text: str) -> StreamControl:
    """Tolerates fields it does not know and fills in defaults, so that old and new code can run side by side."""
    return _decoder.decode(text)


class StreamControls:
    """A `headwater.broadcasts.ControlStore`. Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    @property
    def _items(self) -> type[StreamItem]:
        return stream_items(self._table_name)

    def load(self, stream_id: StreamId) -> StreamControl | None:
        """The stream's control as of the last write that was acknowledged (a strongly consistent read)."""
        with unavailable_when_failing():
            try:
                item = self._items.get(stream_id, consistent_read=True)
            except DoesNotExist:
                return None
        return decode_control(item.control)

    def create(self, control: StreamControl) -> bool:
        """Store a stream that is not there yet; False when somebody else has."""
        return self._put(control, StreamItem.stream_id.does_not_exist())

    def commit(self, control: StreamControl, expected_version: int) -> bool:
        """Replace the control of version `expected_version`; False when somebody else was quicker.

        Our own write whose answer was lost, and that botocore sent again, is recognised and counts as committed.
        """
        return self._put(control, StreamItem.version == expected_version)

    def remove(self, control: StreamControl) -> bool:
        """Forget the stream, if it is still of this version; True also when it is gone already."""
        with unavailable_when_failing():
            try:
                item = self._items(control.stream_id)
                item.delete(condition=StreamItem.stream_id.does_not_exist() | (StreamItem.version == control.version))
            except DeleteError as error:
                if refusal_code(error) != CONDITION_FAILED:
                    raise
                return False
        return True

    def unsettled(self) -> Iterator[StreamId]:
        """Streams with a broadcast or an outbox that needs attention; up to some seconds out of date."""
        with unavailable_when_failing():
            for item in self._items.unsettled_index.query(_UNSETTLED):
                yield StreamId(item.stream_id)

    def every(self) -> Iterator[StreamId]:
        """Every stream there is, in no order: a read of the whole table, for who begins anew."""
        with unavailable_when_failing():
            for item in self._items.scan(attributes_to_get=["stream_id"]):
                if is_id(item.stream_id):  # and not the slots of an owner
                    yield StreamId(item.stream_id)

    def _put(self, control: StreamControl, condition: object) -> bool:
        write_token = secrets.token_hex(8)
        item = self._items(
            stream_id=control.stream_id,
            control=encode_control(control),
            version=control.version,
            write_token=write_token,
            unsettled=_UNSETTLED if control.needs_attention else None,
        )
        with unavailable_when_failing():
            try:
                item.save(condition=condition)  # type: ignore[arg-type]
            except PutError as error:
                if refusal_code(error) != CONDITION_FAILED:
                    raise
                stored = self._items.get(control.stream_id, consistent_read=True)
                return stored.write_token == write_token
        return True
