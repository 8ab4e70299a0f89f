"""Stage 7 · the chat socket: API Gateway WebSocket routes `$connect`, `$disconnect` and `$default`."""

from __future__ import annotations

from typing import Any

from functions.ws_chat.wire import Answer, accepted, read_event, refused
from functions.ws_chat.wiring import wiring
from headwater.errors import HeadwaterError
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> Answer:
    socket = read_event(event)
    chat = wiring()
    if socket.route == "$connect":
        try:
            chat.open_connection(socket.connection_id, socket.origin, socket.ticket, socket.address)
        except HeadwaterError as error:
            count("ConnectionsRefused")
            return refused(error)
        return accepted()
    if socket.route == "$disconnect":
        chat.connections.close(socket.connection_id)
        return accepted()
    frames, closing = chat.answer_frame(socket.connection_id, socket.frame)
    if len(frames) == 1 and not closing:
        return accepted(frames[0])
    try:
        chat.reply.send(socket.connection_id, frames, closing=closing)
    except HeadwaterError:
        logger().exception("answer not sent")  # the client asks again when it has waited long enough
    return accepted()
