"""Stage 7 · one frame of a client, whatever it holds, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from headwater.domain.chat import BAD_FRAMES_IN_A_ROW
from headwater.domain.client_frames import (
    AnyClientFrame,
    AnyModeration,
    Join,
    Leave,
    Ping,
    React,
    Send,
    nonce_of,
    read_frame,
)
from headwater.domain.ids import ConnectionId, StreamId
from headwater.domain.server_frames import Ack, Pong, encode, error_frame
from headwater.errors import BadFrame, HeadwaterError, UnknownAction
from headwater.observability import count, logger


class Strikes(Protocol):
    def strike(self, connection_id: ConnectionId) -> int: ...
    def forgive(self, connection_id: ConnectionId) -> None: ...


class Rooms(Protocol):
    def leave(self, stream_id: StreamId, connection_id: ConnectionId) -> None: ...


class AnswerFrame:
    def __init__(
        self,
        join_room: Callable[[ConnectionId, Join], list[str]],
        send_message: Callable[[ConnectionId, Send], Ack],
        react: Callable[[ConnectionId, React], Ack],
        moderate_room: Callable[[ConnectionId, AnyModeration], Ack],
        rooms: Rooms,
        strikes: Strikes,
    ) -> None:
        self._join_room = join_room
        self._send_message = send_message
        self._react = react
        self._moderate_room = moderate_room
        self._rooms = rooms
        self._strikes = strikes

    def __call__(self, connection_id: ConnectionId, body: str) -> tuple[list[str], bool]:
        """The frames of the answer, in order, and whether the socket is to be closed after them. Never raises."""
        try:
            frame = read_frame(body)
        except (BadFrame, UnknownAction) as error:
            count("BadFrames")
            closing = self._strikes.strike(connection_id) >= BAD_FRAMES_IN_A_ROW
            return [encode(error_frame(error, nonce_of(body)))], closing
        self._strikes.forgive(connection_id)
        try:
            return self._act(connection_id, frame), False
        except HeadwaterError as error:
            return [encode(error_frame(error, frame.nonce))], False
        except Exception:
            logger().exception("frame failed", extra={"action": type(frame).__name__})
            count("FramesFailed")
            return [encode(error_frame(HeadwaterError(), frame.nonce))], False

    def _act(self, connection_id: ConnectionId, frame: AnyClientFrame) -> list[str]:
        match frame:
            case Join():
                return self._join_room(connection_id, frame)
            case Send():
                return [encode(self._send_message(connection_id, frame))]
            case React():
                return [encode(self._react(connection_id, frame))]
            case Leave():
                self._rooms.leave(frame.stream_id, connection_id)
                return [encode(Ack(nonce=frame.nonce))]
            case Ping():
                return [encode(Pong(nonce=frame.nonce))]
            case _:
                return [encode(self._moderate_room(connection_id, frame))]
