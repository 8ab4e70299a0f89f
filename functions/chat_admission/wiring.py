"""Stage 7 · joins the clearing of rooms to DynamoDB and `@connections`, at the first call."""

from __future__ import annotations

import functools

from functions.chat_admission.clear_room import ClearRoom
from functions.chat_admission.settings import ChatAdmissionSettings
from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.connection_posts import PostingLoop
from headwater.adapters.stream_controls import StreamControls
from headwater.domain.ids import StreamId
from headwater.settings import load_settings


class Wiring:
    def __init__(self, settings: ChatAdmissionSettings) -> None:
        self._loop = PostingLoop(settings.chat_callback_url)
        self._clear_room = ClearRoom(
            StreamControls(settings.stream_table),
            ChatConnections(settings.connection_table, ChatSeats(settings.cache_url)),
            self._loop.posts,
        )

    def clear(self, stream_id: StreamId) -> int:
        return self._loop.run(self._clear_room(stream_id))

    def close(self) -> None:
        self._loop.close()


@functools.cache
def wiring() -> Wiring:
    return Wiring(load_settings(ChatAdmissionSettings))
