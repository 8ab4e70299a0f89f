"""Stage 7 · what was uploaded → an emote of a stream: rendered whole, stored where viewers reach it, ready to be said.

May be done twice, and for uploads that no longer count: an emote that was taken away, or asked for anew, meanwhile is not
made. Files are written before the emote is ready, so that nobody is shown one that has no picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from functions.picture_maker.render_picture import UnusablePicture
from headwater.domain.emotes import SIZES, Emote, EmoteState, emote_upload_of
from headwater.domain.ids import StreamId
from headwater.media.object_keys import EMOTE, WEBP_TYPE, emote, emote_prefix
from headwater.observability import count, logger


class EmoteStore(Protocol):
    def of_stream(self, stream_id: StreamId) -> Sequence[Emote]: ...
    def put(self, stream_id: StreamId, emote: Emote, before: Emote | None) -> bool: ...


class Bucket(Protocol):
    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None: ...
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


class Render(Protocol):
    def __call__(self, body: bytes, sizes: Sequence[int], *, whole: bool) -> Mapping[int, bytes]: ...


class MakeEmote:
    def __init__(self, uploads: Bucket, media: Bucket, emotes: EmoteStore, render: Render) -> None:
        self._uploads = uploads
        self._media = media
        self._emotes = emotes
        self._render = render

    def __call__(self, upload_key: str) -> None:
        """Raises DependencyUnavailable; then call it again."""
        named = emote_upload_of(upload_key)
        body = self._uploads.get(upload_key)
        if named is None or body is None:  # not an emote's; or the second time
            return
        stream_id, emote_id = named
        asked_for = self._find(stream_id, emote_id)
        if asked_for is not None and asked_for.state is EmoteState.PENDING:
            self._make(stream_id, asked_for, body)
        self._uploads.delete_many([upload_key])

    def _make(self, stream_id: StreamId, asked_for: Emote, body: bytes) -> None:
        emote_id = asked_for.emote_id
        try:
            rendered = self._render(body, SIZES, whole=True)
        except UnusablePicture as problem:
            logger().info("picture not usable", extra={"cause": repr(problem.__cause__)})
            count("EmotesUnusable")
            self._emotes.put(
                stream_id, replace(asked_for, state=EmoteState.FAILED, problem=str(problem)), before=asked_for
            )
            return
        for size, picture in rendered.items():
            self._media.put(emote(stream_id, emote_id, size), picture, WEBP_TYPE, EMOTE)
        if self._emotes.put(stream_id, replace(asked_for, state=EmoteState.READY), before=asked_for):
            return
        found = self._find(stream_id, emote_id)
        if found is None or found.state is not EmoteState.READY:  # taken away meanwhile; else it was our own write
            self._media.delete_many(self._media.list(emote_prefix(stream_id, emote_id)))

    def _find(self, stream_id: StreamId, emote_id: str) -> Emote | None:
        return next((each for each in self._emotes.of_stream(stream_id) if each.emote_id == emote_id), None)
