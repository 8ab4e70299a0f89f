"""Stage 1 → 4 · the last minute of one source: what a worker that comes late, or comes back, has not seen yet.

Pure: tags and times in, FLV bytes out. It begins at a keyframe (a source without pictures: anywhere), and knows what a
decoder must be told before that. Numbers count every tag that was ever kept, so that they stay valid as it rolls on.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from headwater.media.flv import Tag, TagKind, at_time, file_header, tag_bytes
from headwater.media.source_mark import SourceMark, is_mark

CLOCK_TOLERANCE_MS = 1000
_OBJECT_BYTES = 250  # what Python takes for each tag: a source of tiny ones must not cost ten times what is counted
_METADATA = b"\x02\x00\x0aonMetaData"


class FellBehind(Exception):
    """The consumer has not read for so long that what it needs next is gone."""


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes  # as FLV
    timestamp: int  # publisher's ms
    received_at: int  # Unix ms
    setting: Tag | None  # metadata or a decoder's configuration, valid until the next of its kind

    @property
    def size(self) -> int:
        return len(self.data) + _OBJECT_BYTES


class SourceBuffer:
    def __init__(self, *, keep_ms: int, max_size: int, first: int = 0) -> None:
        """`first` is the first tag's number: higher than any of an earlier buffer of the same source."""
        self.max_size = max_size  # bytes; may be changed, and holds from the next tag on
        self._keep_ms = keep_ms
        self._kept: list[_Kept] = []
        self._first = first  # the number of the oldest one
        self._size = 0
        self._entries: list[int] = []  # the numbers of those that reading can begin with
        self._picture_at: int | None = None  # when the last one was received; None: reading can begin with any sound
        self._settings: dict[TagKind, Tag] = {}  # in force before the oldest one
        self._clock_ms: int | None = None  # received minus published, as the last mark said
        self.ended = False

    @property
    def first(self) -> int:
        return self._first

    @property
    def next(self) -> int:
        """The number of the tag that comes next."""
        return self._first + len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self._size

    def append(self, tag: Tag, received_at: int) -> None:
        """Keep `tag`, and let go of what is too old or too much. A source's own marks are not let through."""
        if is_mark(tag):
            return
        clock_ms = received_at - tag.timestamp
        if self._clock_ms is None or abs(clock_ms - self._clock_ms) > CLOCK_TOLERANCE_MS:
            if self._kept:
                self._keep(SourceMark(self.next + 1, received_at).tag(tag.timestamp), received_at)
            self._clock_ms = clock_ms
        is_setting = tag.is_sequence_header or (tag.kind is TagKind.DATA and tag.payload.startswith(_METADATA))
        if tag.is_video and self._picture_at is not None:
            self._picture_at = received_at
        if tag.is_random_access:
            if self._picture_at is None:
                self._entries.clear()
            self._picture_at = received_at
            self._entries.append(self.next)
        elif tag.is_audio and not is_setting:
            if self._picture_at is not None and received_at - self._picture_at > self._keep_ms:
                self._picture_at = None
            if self._picture_at is None:
                self._entries.append(self.next)
        self._keep(tag, received_at, tag if is_setting else None)
        self._let_go(received_at)

    def start_at(self, timestamp: int | None) -> int:
        """Where a consumer begins that has everything before `timestamp`, in publisher's ms: at the last keyframe that is
        not later. A clock that jumped may show a time twice: then the older one, so that nothing is missed."""
        if timestamp is None:
            return self._first
        found: int | None = None
        for number in self._entries:
            shown = self._at(number).timestamp
            if found is not None and not self._at(found).timestamp <= shown <= timestamp:
                break
            if shown <= timestamp:
                found = number
        return self._first if found is None else found

    def latest_start(self) -> int:
        """The last keyframe: where a consumer goes on that cannot have what it missed."""
        return self._entries[-1] if self._entries else self._first

    def has_keyframe_since(self, number: int) -> bool:
        """Whether a keyframe is tag `number`, or came after it."""
        return self._picture_at is not None and bool(self._entries) and self._entries[-1] >= number

    def preface(self, number: int) -> bytes:
        """What comes before tag `number` for somebody who has seen nothing: header, settings in force, a mark."""
        settings = dict(self._settings)
        for kept in self._kept[: number - self._first]:
            if kept.setting is not None:
                settings[kept.setting.kind] = kept.setting
        timestamp = self._at(number).timestamp if number < self.next else 0
        in_order = sorted(settings.values(), key=lambda tag: tag.kind is not TagKind.DATA)
        told = b"".join(tag_bytes(at_time(tag, timestamp)) for tag in in_order)
        return file_header(video=True, audio=True) + told + self._mark(number)

    def continuation(self, number: int) -> bytes:
        """What comes before tag `number` for somebody who has seen all that was before it. Raises FellBehind."""
        if number < self._first:
            raise FellBehind
        return file_header(video=True, audio=True) + self._mark(number)

    def read(self, number: int, limit: int) -> tuple[bytes, int]:
        """FLV from tag `number` on, about `limit` bytes at most, and the number after it. Raises FellBehind."""
        if number < self._first:
            raise FellBehind
        taken: list[bytes] = []
        size = 0
        at = number - self._first
        while at < len(self._kept) and size < limit:
            taken.append(self._kept[at].data)
            size += len(taken[-1])
            at += 1
        return b"".join(taken), self._first + at

    def _at(self, number: int) -> _Kept:
        return self._kept[number - self._first]

    def _mark(self, number: int) -> bytes:
        if number >= self.next:
            return b""
        kept = self._at(number)
        return tag_bytes(SourceMark(number, kept.received_at).tag(kept.timestamp))

    def _keep(self, tag: Tag, received_at: int, setting: Tag | None = None) -> None:
        kept = _Kept(tag_bytes(tag), tag.timestamp, received_at, setting)
        self._kept.append(kept)
        self._size += kept.size

    def _let_go(self, now: int) -> None:
        """Forget whole groups of pictures, oldest first. Without keyframes there is only the size to go by."""
        drop_to, freed = self._first, 0
        for end in self._entries:
            last = self._kept[end - 1 - self._first] if end > self._first else None
            if last is None:
                continue
            if last.received_at >= now - self._keep_ms and self._size - freed <= self.max_size:
                break
            freed += sum(kept.size for kept in self._kept[drop_to - self._first : end - self._first])
            drop_to = end
        while self._size - freed > self.max_size and drop_to < self.next:
            freed += self._at(drop_to).size
            drop_to += 1
        if drop_to > self._first:
            self._drop(drop_to, freed)

    def _drop(self, drop_to: int, freed: int) -> None:
        dropped = drop_to - self._first
        for kept in self._kept[:dropped]:
            if kept.setting is not None:
                self._settings[kept.setting.kind] = kept.setting
        del self._kept[:dropped]
        del self._entries[: bisect_left(self._entries, drop_to)]
        self._size -= freed
        self._first = drop_to
