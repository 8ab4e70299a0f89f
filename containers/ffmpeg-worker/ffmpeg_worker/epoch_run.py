"""Stage 4 · one epoch in the making: an FFmpeg process, the packager behind it, and the cutter that watches the source."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ffmpeg_worker.ffmpeg_process import COMPLAINTS, PROGRESS, THUMBNAILS, FfmpegProcess
from ffmpeg_worker.packager import Cut, PackagedSegment, Packager
from ffmpeg_worker.segment_cutter import MAX_SEGMENT_MS, MIN_SEGMENT_MS, SEGMENT_MS, Boundary, SegmentCutter
from ffmpeg_worker.transcode_plan import Keyframes, TranscodePlan
from headwater.errors import MediaFormatError
from headwater.media import flv
from headwater.media.flv import MalformedFlv, Tag, TagReader
from headwater.media.timeline import Track

HANG_SECONDS = 5.0
STALL_SECONDS = 10.0  # several times what one track may be behind another
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class EpochMedia:
    """What all segments of an epoch share."""

    session_serial: int
    wall_offset_ms: int  # from the publisher's clock to the time at which the node received it
    tracks: tuple[Track, ...]
    inits: dict[str, bytes]


class _EncodedTrack:
    """What FFmpeg writes on one pipe."""

    def __init__(self, starts_at: int) -> None:
        self._reader = TagReader()
        self._near = starts_at

    def read(self, data: bytes) -> Iterator[Tag]:
        """Raises MediaFormatError."""
        try:
            for tag in self._reader.feed(data):
                tag = flv.unwrapped(tag, self._near)
                self._near = tag.timestamp
                yield tag
        except MalformedFlv as error:
            raise MediaFormatError(f"FFmpeg wrote {error}") from error


class EpochRun:
    """Owned by one loop: it calls `feed` for tags, `ready` for descriptors, and collects `segments` and `thumbnails`.

    What is copied goes from the source straight to the packager; FFmpeg is given what has to be encoded, and is not even
    started when there is nothing. `feed` raises KeyframesTooFarApart and MediaFormatError, `ready` MediaFormatError; the run
    is of no more use then.
    """

    def __init__(
        self,
        plan: TranscodePlan,
        start: Boundary,
        sound_from_ms: float,
        headers: Iterable[Tag],
        selector: selectors.BaseSelector,
    ) -> None:
        """Begins at `start`, with sound from `sound_from_ms` on. Raises FfmpegUnavailable, MediaFormatError."""
        self.plan = plan
        self.segments: list[PackagedSegment] = []
        self.thumbnails: list[bytes] = []
        self.packager = Packager(plan, start)
        self._start = start
        self._sound_from_ms = sound_from_ms
        self._cutter = SegmentCutter(start)
        self._encoded = {track_id: _EncodedTrack(start.decoded_at) for track_id in plan.encoded_track_ids}
        self._process = FfmpegProcess(plan) if plan.needs_ffmpeg else None
        self._selector = selector
        for descriptor in self._outputs:
            selector.register(descriptor, selectors.EVENT_READ, self)
        self._watching_stdin = False
        self._progress = b""
        self._jpeg = b""
        self._out_time = b""
        self._last_sign = time.monotonic()
        self._last_fed = self._last_taken = self._last_sign
        self._written = dict.fromkeys(plan.track_ids, self._last_sign)
        self._last_shown_ms = start.shown_at
        self._reorders = False
        self._ended = False
        self._begun = False
        if self._process is not None:
            self._send(self._process, flv.file_header(video=bool(plan.rungs), audio=plan.encodes_audio))
        for header in headers:
            if self.takes(header):
                self._hand_on(flv.at_time(header, start.decoded_at))

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def backlog_bytes(self) -> int:
        return self._process.pending_bytes if self._process else 0

    @property
    def complaints(self) -> list[str]:
        return list(self._process.complaints) if self._process else []

    @property
    def is_over(self) -> bool:
        """FFmpeg has closed all its pipes, and everything in them was read; without one, the source has ended."""
        return not self._outputs if self._process else self._ended

    @property
    def _outputs(self) -> Mapping[int, str]:
        return self._process.outputs if self._process else {}

    def takes(self, tag: Tag) -> bool:
        """Whether this run has a track for it."""
        return bool(self.plan.rungs) if tag.is_video else self.plan.audio is not None

    def feed(self, tag: Tag) -> None:
        """Hand a frame to whoever needs it, and cut where it says that a segment begins."""
        if not self.takes(tag) or (tag.is_audio and tag.timestamp < self._sound_from_ms):
            return
        self._hand_on(tag)
        if tag.is_video and self.plan.keyframes is Keyframes.SOURCE:
            at = Boundary(tag.presentation_time, tag.timestamp)
            self._reorders = self._reorders or at.shown_at != at.decoded_at
            self._cut(self._cutter.keyframe(at) if tag.is_keyframe else self._cutter.reach(tag.timestamp), at)
            self._last_shown_ms = max(self._last_shown_ms, at.shown_at)
        elif not self.plan.rungs and tag.timestamp - self._start.shown_at >= SEGMENT_MS:
            self._start = Boundary(tag.timestamp, tag.timestamp)
            self._cut([self._start])

    def _hand_on(self, tag: Tag) -> None:
        copied_as = self.plan.copied_video if tag.is_video else self.plan.copied_audio
        if copied_as is not None:
            self._written[copied_as] = time.monotonic()
            self.segments += self.packager.feed(copied_as, tag)
        if self._process is not None and (tag.is_video or self.plan.encodes_audio):
            self._send(self._process, flv.tag_bytes(tag))
            self._last_fed = time.monotonic()

    def ready(self, descriptor: int) -> None:
        """`descriptor` can be read, or stdin written."""
        process = self._process
        if process is None:
            return
        if descriptor == process.stdin and self._watching_stdin:
            if process.write():
                self._last_taken = time.monotonic()
            self._watch_stdin(process)
            return
        name = process.outputs.get(descriptor)
        if name is None:
            return
        data = process.read(descriptor)
        if data is None:
            self._selector.unregister(descriptor)
            process.forget(descriptor)
        elif name == PROGRESS:
            self._read_progress(data)
        elif name == THUMBNAILS:
            self._read_thumbnails(data)
        elif name != COMPLAINTS and data:
            self._sign_of_life()
            self._written[name] = self._last_sign
            for tag in self._encoded[name].read(data):
                self.segments += self.packager.feed(name, tag)
            if self.plan.keyframes is Keyframes.FORCED and self.plan.rungs:
                self._cut_at_own_keyframes()

    def end_input(self) -> None:
        """The source has ended: FFmpeg shall write out what it holds, and then close its pipes."""
        self._ended = True
        if self._process is not None:
            self._process.end_input()
            self._watch_stdin(self._process)

    def finish(self) -> int:
        """After `is_over`: hand on the last segment. The exit status of FFmpeg."""
        status = self._process.wait() if self._process else 0
        if self._ended:
            self.segments += self.packager.finish()
        return status

    @property
    def awaits_cut(self) -> bool:
        """Whether a segment may end with any frame that comes now; not while tracks lag behind, and there is enough to do."""
        return self.packager.is_cutting or MIN_SEGMENT_MS <= self.packager.open_ms <= MAX_SEGMENT_MS

    @property
    def quiet_seconds(self) -> float:
        """How long FFmpeg has written nothing."""
        return time.monotonic() - self._last_sign

    @property
    def is_stalled(self) -> bool:
        """Whether a track has stopped alone, and others have waited for it so long that it will not go on any more."""
        silent_for = time.monotonic() - min(self._written.values())
        return silent_for > STALL_SECONDS and self.packager.open_ms > STALL_SECONDS * 1000

    @property
    def is_hanging(self) -> bool:
        """Whether frames went in, or waited to be taken, for five seconds, and nothing came of it."""
        last_offered = time.monotonic() if self.backlog_bytes else self._last_fed
        if not self.plan.encoded_track_ids:  # nothing is due from an FFmpeg that makes thumbnails
            return self.backlog_bytes > 0 and last_offered - self._last_taken > HANG_SECONDS
        return last_offered - self._last_sign > HANG_SECONDS

    def dispose(self) -> None:
        """Be rid of FFmpeg at once; what it still held is lost to this run."""
        if self._process is None:
            return
        for descriptor in self._outputs:
            self._selector.unregister(descriptor)
        if self._watching_stdin:
            self._selector.unregister(self._process.stdin)
            self._watching_stdin = False
        self._process.dispose()

    def _cut_at_own_keyframes(self) -> None:
        for keyframe in self.packager.take_keyframes():
            if not self._begun:
                self._begun = True
                self._cutter = SegmentCutter(keyframe)
                self.packager.begin_at(keyframe)
            self._cut(self._cutter.keyframe(keyframe))

    def _cut(self, boundaries: list[Boundary], here: Boundary | None = None) -> None:
        """`here` is the picture that was just decoded."""
        for boundary in boundaries:
            last_shown_ms = self._last_shown_ms if boundary == here and not self._reorders else None
            self.segments += self.packager.cut(Cut(boundary, last_shown_ms))

    def _send(self, process: FfmpegProcess, data: bytes) -> None:
        process.send(data)
        if process.write():
            self._last_taken = time.monotonic()
        self._watch_stdin(process)

    def _watch_stdin(self, process: FfmpegProcess) -> None:
        wanted = process.wants_to_write
        if wanted and not self._watching_stdin:
            self._selector.register(process.stdin, selectors.EVENT_WRITE, self)
        elif self._watching_stdin and not wanted:
            self._selector.unregister(process.stdin)
        self._watching_stdin = wanted

    def _read_progress(self, data: bytes) -> None:
        """`-progress` repeats itself twice a second; only media that moves on is progress."""
        *lines, self._progress = (self._progress + data).split(b"\n")
        for line in lines:
            if line.startswith(b"out_time_us=") and line != self._out_time:
                self._out_time = line
                self._sign_of_life()

    def _sign_of_life(self) -> None:
        self._last_sign = time.monotonic()

    def _read_thumbnails(self, data: bytes) -> None:
        self._jpeg += data
        while (end := self._jpeg.find(_JPEG_END)) >= 0:
            image, self._jpeg = self._jpeg[: end + 2], self._jpeg[end + 2 :]
            if image.startswith(_JPEG_START):
                self.thumbnails.append(image)
