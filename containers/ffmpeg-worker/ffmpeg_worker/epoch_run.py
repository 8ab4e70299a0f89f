"""Stage 4 · one epoch in the making: an FFmpeg process, the packager behind it, and the cutter that watches the source."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ffmpeg_worker.ffmpeg_process import COMPLAINTS, PROGRESS, THUMBNAILS, FfmpegProcess
from ffmpeg_worker.packager import PackagedSegment, Packager
from ffmpeg_worker.segment_cutter import SEGMENT_MS, Boundary, SegmentCutter
from ffmpeg_worker.transcode_plan import Keyframes, TranscodePlan
from headwater.media import flv
from headwater.media.flv import Tag
from headwater.media.timeline import Track

HANG_SECONDS = 5.0
STALL_SECONDS = 10.0  # several times what one track may be behind another
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class EpochMedia:
    """What all segments of an epoch share. Its number is given when its first segment is stored."""

    session_serial: int
    media_start_ms: int
    wall_start_ms: int
    tracks: tuple[Track, ...]
    inits: dict[str, bytes]


class EpochRun:
    """Owned by one loop: it calls `feed` for tags, `ready` for descriptors, and collects `segments` and `thumbnails`.

    `feed` raises KeyframesTooFarApart, `ready` raises MediaFormatError; the run is of no more use then.
    """

    def __init__(
        self,
        plan: TranscodePlan,
        start: Boundary,
        sound_from_ms: float,
        headers: Iterable[Tag],
        selector: selectors.BaseSelector,
    ) -> None:
        """Begins at `start`, with sound from `sound_from_ms` on. Raises FfmpegUnavailable."""
        self.plan = plan
        self.segments: list[PackagedSegment] = []
        self.thumbnails: list[bytes] = []
        self.packager = Packager(plan, start)
        self._start = start
        self._sound_from_ms = sound_from_ms
        self._cutter = SegmentCutter(start)
        self._process = FfmpegProcess(plan)
        self._selector = selector
        for descriptor in self._process.outputs:
            selector.register(descriptor, selectors.EVENT_READ, self)
        self._watching_stdin = False
        self._progress = b""
        self._jpeg = b""
        self._out_time = b""
        self._last_sign = time.monotonic()
        self._last_fed = self._last_sign
        self._written = dict.fromkeys(plan.track_ids, self._last_sign)
        self._ended = False
        self._begun = False
        self._send(flv.file_header(video=bool(plan.rungs), audio=plan.audio is not None))
        for header in headers:
            if self.takes(header):
                self._send(flv.tag_bytes(flv.at_time(header, start.decoded_at)))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def backlog_bytes(self) -> int:
        return self._process.pending_bytes

    @property
    def complaints(self) -> list[str]:
        return list(self._process.complaints)

    @property
    def is_over(self) -> bool:
        """FFmpeg has closed all its pipes, and everything in them was read."""
        return not self._process.outputs

    def takes(self, tag: Tag) -> bool:
        """Whether this run has a track for it."""
        return bool(self.plan.rungs) if tag.is_video else self.plan.audio is not None

    def feed(self, tag: Tag) -> None:
        """Hand a frame to FFmpeg, and cut where it says that a segment begins."""
        if not self.takes(tag) or (tag.is_audio and tag.timestamp < self._sound_from_ms):
            return
        self._send(flv.tag_bytes(tag))
        self._last_fed = time.monotonic()
        if tag.is_video and self.plan.keyframes is Keyframes.SOURCE:
            at = Boundary(tag.presentation_time, tag.timestamp)
            self._cut(self._cutter.keyframe(at) if tag.is_keyframe else self._cutter.reach(tag.timestamp))
        elif not self.plan.rungs and tag.timestamp - self._start.shown_at >= SEGMENT_MS:
            self._start = Boundary(tag.timestamp, tag.timestamp)
            self._cut([self._start])

    def ready(self, descriptor: int) -> None:
        """`descriptor` can be read, or stdin written."""
        process = self._process
        if descriptor == process.stdin and self._watching_stdin:
            process.write()
            self._watch_stdin()
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
            self.segments += self.packager.feed(name, data)
            if self.plan.keyframes is Keyframes.FORCED and self.plan.rungs:
                self._cut_at_own_keyframes()

    def end_input(self) -> None:
        """The source has ended: FFmpeg shall write out what it holds, and then close its pipes."""
        self._ended = True
        self._process.end_input()
        self._watch_stdin()

    def finish(self) -> int:
        """After `is_over`: hand on the last segment. The exit status of FFmpeg."""
        status = self._process.wait()
        if self._ended:
            self.segments += self.packager.finish()
        return status

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
        return last_offered - self._last_sign > HANG_SECONDS

    def dispose(self) -> None:
        """Be rid of FFmpeg at once; what it still held is lost to this run."""
        for descriptor in self._process.outputs:
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

    def _cut(self, boundaries: list[Boundary]) -> None:
        for boundary in boundaries:
            self.segments += self.packager.cut(boundary)

    def _send(self, data: bytes) -> None:
        self._process.send(data)
        self._process.write()
        self._watch_stdin()

    def _watch_stdin(self) -> None:
        wanted = self._process.wants_to_write
        if wanted and not self._watching_stdin:
            self._selector.register(self._process.stdin, selectors.EVENT_WRITE, self)
        elif self._watching_stdin and not wanted:
            self._selector.unregister(self._process.stdin)
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
