"""Stage 4 · one publish session, from the ingest node's socket to whole segments: the loop that everything else serves.

One thread watches the node's socket and FFmpeg's pipes. It never waits for storage: segments go to a sink that takes them
at once. Whatever goes wrong with FFmpeg, the frames since the last whole segment are still here, and a new process begins
with them as a new epoch, so that nothing is lost. What was published before we came, the node still has: it is read as
fast as FFmpeg takes it. When the connection breaks, another one goes on after the last tag.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from dataclasses import replace
from enum import StrEnum

from ffmpeg_worker.epoch_run import EpochMedia, EpochRun
from ffmpeg_worker.pace import Pace
from ffmpeg_worker.segment_cutter import Boundary, KeyframesTooFarApart
from ffmpeg_worker.segment_sink import SegmentSink
from ffmpeg_worker.source import SourceProbe
from ffmpeg_worker.source_clock import SourceClock
from ffmpeg_worker.source_connection import SourceConnection
from ffmpeg_worker.source_reader import SourceAddress, SourceEnded
from ffmpeg_worker.tag_buffer import ResumePoint, TagBuffer
from ffmpeg_worker.too_often import TooOften
from ffmpeg_worker.track_filler import TrackFiller
from ffmpeg_worker.transcode_plan import Keyframes, copies_too_much, plan_transcode
from headwater.errors import FfmpegUnavailable, MediaFormatError, MisalignedTracks, SourceUnplayable, TranscodeFailed
from headwater.media.flv import Tag, TagKind
from headwater.observability import count, logger

DRAIN_SECONDS = 4.0  # how long FFmpeg may take to write out what it holds
BOUNDARY_SECONDS = 2.5  # told to stop, we wait so long for the end of a segment: whoever goes on begins with a keyframe
SOUND_LOST_MS = 3000  # and nothing could stand in for it
FAILURES = 5  # of FFmpeg, within a minute
FRESH_STARTS = 20  # likewise: of clocks and formats that keep changing nothing that plays can be made
UNFIT_SEGMENTS = 5  # in a row with what should not be copied: a burst is none of our business
BACKLOG_BYTES = 8 * 1024 * 1024  # FFmpeg is this far behind: the rest waits at the node, which has more room
_HALF_AUDIO_FRAME_MS = 10
_TICK_SECONDS = 0.25
_GATHERING_SECONDS = 0.02  # packets and frames of sound come one by one; waking up for each costs more than they do


class SessionEnd(StrEnum):
    SOURCE_GONE = "source_gone"  # the publisher or the node is gone, or never was there
    STOPPED = "stopped"  # we were asked to


class PublishSessionReader:
    def __init__(
        self, address: SourceAddress, serial: int, sink: SegmentSink, resume: ResumePoint | None = None
    ) -> None:
        """Begins at `resume`: what the timeline has of this source already ends there. Without one, with the oldest tag."""
        self._serial = serial
        self._sink = sink
        self._resume = resume
        self._selector = selectors.DefaultSelector()
        from_ms = resume.shown_at + resume.tolerance_ms if resume else None
        self._connection = SourceConnection(address, from_ms, self._selector, serial)
        self._wake_reading, self._wake_writing = socket.socketpair()
        self._wake_reading.setblocking(False)
        self._stopping_by: float | None = None  # told to stop: when at the latest
        self._flush = True
        self._segments = self._segments_when_told = 0

        self._probe = SourceProbe()
        self._headers: dict[TagKind, Tag] = {}
        self._filler = TrackFiller()
        self._gaps = 0
        self._buffer = TagBuffer()
        self._run: EpochRun | None = None
        self._epoch_begun = False  # the run's, as far as the sink knows
        self._keyframes = Keyframes.SOURCE
        self._pace = Pace()
        self._unfit_segments = 0
        self._left_out: frozenset[str] = frozenset()  # rungs that this machine is too slow for
        self.millicpu: int | None = None
        """What the whole ladder of this source takes of a machine, also when this one had to leave rungs out."""
        self._failures = TooOften(FAILURES)
        self._fresh_starts = TooOften(FRESH_STARTS)
        self._clock = SourceClock()
        self._last_sound = 0
        self._wall_offset_ms = 0  # from the publisher's clock to the time at which the node received it

    def stop(self, *, flush: bool = True) -> None:
        """From any thread: let `run` return, if `flush` after handing on the open segment: up to its end, unless that takes too
        long, for whoever goes on there begins with a keyframe."""
        self._flush = flush
        self._segments_when_told = self._segments
        self._stopping_by = time.monotonic() + (BOUNDARY_SECONDS if flush else 0.0)
        with contextlib.suppress(OSError):
            self._wake_writing.send(b"\0")

    @property
    def cut_off_seconds(self) -> float:
        """How long the node could not be reached, after it could before."""
        return self._connection.cut_off_seconds

    def run(self) -> SessionEnd:
        """Until the source has ended or `stop`. Raises SourceUnplayable, TranscodeFailed."""
        try:
            try:
                self._connection.open()
            except OSError as error:
                logger().warning("ingest node not reachable", extra={"session": self._serial, "error": str(error)})
                return SessionEnd.SOURCE_GONE
            return self._follow()
        finally:
            if self._run is not None:
                self._run.dispose()
            self._connection.close()
            self._selector.close()
            self._wake_reading.close()
            self._wake_writing.close()

    def _follow(self) -> SessionEnd:
        self._selector.register(self._wake_reading, selectors.EVENT_READ)
        end: SessionEnd | None = None
        while end is None:
            if not self._connection.keep(listen=not self._is_behind):
                end = SessionEnd.SOURCE_GONE
            for key, _ in self._selector.select(_TICK_SECONDS):
                if isinstance(key.data, EpochRun):
                    self._serve(key.data, key.fd)
                elif key.fileobj is self._connection.socket:
                    end = self._receive() or end
            self._watch_run()
            if self._has_to_stop:
                end = end or SessionEnd.STOPPED
            if self._run is None or not self._run.awaits_cut:
                time.sleep(_GATHERING_SECONDS)
        self._connection.close()
        if self._flush and not (end is SessionEnd.STOPPED and self._is_at_boundary):
            self._finish_run()
        return end

    @property
    def _has_to_stop(self) -> bool:
        if self._stopping_by is None:
            return False
        nothing_comes = self._run is None or self.cut_off_seconds > 0
        return nothing_comes or self._is_at_boundary or time.monotonic() >= self._stopping_by

    @property
    def _is_at_boundary(self) -> bool:
        """Whether a segment was handed on after we were told to stop: what has come since is our successor's."""
        return self._segments > self._segments_when_told

    @property
    def _is_behind(self) -> bool:
        return self._run is not None and self._run.backlog_bytes > BACKLOG_BYTES

    def _receive(self) -> SessionEnd | None:
        try:
            for tag in self._connection.receive():
                self._take(tag)
        except SourceEnded as reason:
            logger().info("source ended", extra={"session": self._serial, "reason": str(reason)})
            return SessionEnd.SOURCE_GONE
        return None

    # --- frames ---

    def _take(self, tag: Tag) -> None:
        self._probe.feed(tag)
        if self._probe.refusal:
            raise SourceUnplayable(self._probe.refusal)
        if tag.is_sequence_header:
            self._take_header(tag)
        elif tag.is_media:
            self._take_frame(tag)

    def _take_header(self, tag: Tag) -> None:
        known = self._headers.get(tag.kind)
        if known is not None and known.payload != tag.payload:
            logger().info("the encoder changed its format", extra={"session": self._serial})
            self._begin_anew()
        self._headers[tag.kind] = tag
        if tag.is_audio:
            self._filler.learn_sound(self._probe.aac)

    def _take_frame(self, tag: Tag) -> None:
        if self._clock.jumps(tag):
            count("TimestampJumps")
            logger().info("the encoder's clock jumped", extra={"session": self._serial})
            self._begin_anew()
        if not self._clock.is_set:
            self._begin_at(tag)
        self._clock.feed(tag)
        if self._run is None and self._filler.lacks_pictures(tag):
            self._probe.forget_video()
        for frame in self._filler.feed(tag):
            self._take_gapless(frame)
        if self._filler.gaps > self._gaps:
            self._gaps = self._filler.gaps
            count("TrackGaps")
            logger().info("a track pauses", extra={"session": self._serial, "other": tag.kind.name.lower()})

    def _take_gapless(self, tag: Tag) -> None:
        if tag.is_audio:
            self._last_sound = tag.timestamp
        if not self._buffer.append(tag):
            return
        if self._run is None:
            self._start_first_run()
        elif not self._run.takes(tag) and tag.is_video:
            self._begin_pictures(self._run, tag)
        elif not self._run.takes(tag):
            self._restart("a track appeared")
        else:
            self._feed(self._run, tag)

    def _begin_at(self, tag: Tag) -> None:
        self._last_sound = tag.timestamp
        self._wall_offset_ms = self._connection.wall_offset_ms
        self._filler.begin(tag.timestamp)

    def _feed(self, run: EpochRun, tag: Tag) -> None:
        try:
            run.feed(tag)
        except KeyframesTooFarApart:
            self._keyframes = Keyframes.FORCED
            self._restart("keyframes too far apart")
            return
        except MediaFormatError as error:
            self._recover(error)
            return
        self._collect(run)
        late_ms = 0 if self._filler.fills_sound else tag.timestamp - self._last_sound
        if run.plan.audio and run.plan.rungs and late_ms > SOUND_LOST_MS:
            self._probe.forget_audio()
            self._restart("the sound stopped")

    # --- runs of FFmpeg ---

    def _start_first_run(self) -> None:
        """As soon as it is known what there is, and there is something to begin with."""
        if not self._probe.is_complete:
            return
        if self._resume is None:
            start = self._buffer.first_start(video=self._probe.has_video)
            if start is not None:
                self._start_run(start, start.shown_at)
            return
        resumed = self._buffer.resumed_start(self._resume, video=self._probe.has_video)
        if resumed is not None:
            if not resumed.at_keyframe:  # the predecessor placed keyframes of its own
                self._keyframes = Keyframes.FORCED
            self._resume = None
            self._start_run(resumed.start, resumed.sound_from_ms - _HALF_AUDIO_FRAME_MS)

    def _start_run(self, start: Boundary, sound_from_ms: float) -> None:
        source = self._probe.measure()
        avc = self._probe.avc
        try:
            interlaced = avc is not None and avc.interlaced
            plan = plan_transcode(source, self._keyframes, deinterlace=interlaced, leave_out=self._left_out)
        except ValueError as error:
            raise SourceUnplayable(f"The encoder's stream cannot be played: it sends {error}.") from error
        if not self._left_out:
            self.millicpu = plan.millicpu
        if self._keyframes is Keyframes.FORCED:
            plan = replace(plan, shown_from_ms=start.shown_at)
        try:
            run = EpochRun(plan, start, sound_from_ms, self._headers.values(), self._selector)
        except (FfmpegUnavailable, MediaFormatError) as error:
            raise TranscodeFailed(error.detail) from error
        self._run, self._epoch_begun = run, False
        self._unfit_segments = 0
        self._pace.begin()
        logger().info(
            "epoch begins",
            extra={"session": self._serial, "rungs": [r.track_id for r in plan.rungs], "keyframes": plan.keyframes,
                   "copies": [r.track_id for r in plan.rungs if r.copy], "from_ms": start.shown_at},
        )  # fmt: skip
        for tag in self._buffer.from_boundary(start):
            if self._run is run:  # feeding can itself decide on another plan
                self._feed(run, tag)

    def _begin_pictures(self, run: EpochRun, keyframe: Tag) -> None:
        """What was sound alone ends here: an epoch with pictures begins with one."""
        self._finish_run()
        sound_from_ms = min(run.packager.sound_open_since_ms, keyframe.presentation_time)
        self._start_run(Boundary(keyframe.presentation_time, keyframe.timestamp), sound_from_ms - _HALF_AUDIO_FRAME_MS)

    def _restart(self, reason: str) -> None:
        """A new process from where the segments end that are whole."""
        run = self._run
        if run is None:
            return
        logger().warning(
            "new transcoder", extra={"session": self._serial, "reason": reason, "ffmpeg": run.complaints[-3:]}
        )
        self._collect(run)
        self._run = None
        run.dispose()
        self._start_run(run.packager.open_since, run.packager.sound_open_since_ms - _HALF_AUDIO_FRAME_MS)

    def _restart_after_failure(self, reason: str) -> None:
        count("TranscoderFailures")
        if self._failures.again():
            complaints = self._run.complaints if self._run else []
            why = complaints[-1] if complaints else reason
            raise TranscodeFailed(f"The transcoder keeps failing on this stream: {why}")
        self._restart(reason)

    def _serve(self, run: EpochRun, descriptor: int) -> None:
        if run is not self._run:
            return  # replaced by an event of the same round
        try:
            run.ready(descriptor)
        except (MediaFormatError, KeyframesTooFarApart) as error:
            self._recover(error)
            return
        self._collect(run)

    def _recover(self, error: MediaFormatError | KeyframesTooFarApart) -> None:
        if isinstance(error, MediaFormatError) and not isinstance(error, MisalignedTracks):
            self._restart_after_failure(error.detail)
            return
        self._keyframes = Keyframes.FORCED
        self._restart_after_failure("renditions not aligned")

    def _watch_run(self) -> None:
        run = self._run
        if run is None:
            return
        if run.is_over:
            self._restart_after_failure(f"ffmpeg ended with status {run.finish()}")
        elif run.is_hanging:
            self._restart_after_failure("ffmpeg hangs")
        elif run.is_stalled:
            self._restart_after_failure("a rendition stands still")
        elif self._unfit_segments >= UNFIT_SEGMENTS:
            self._restart("what is copied takes too much")
        elif self._is_too_slow(run):
            self._leave_out_a_rung(run)

    def _is_too_slow(self, run: EpochRun) -> bool:
        reached_ms = run.packager.reached_ms
        late_seconds = time.time() - (reached_ms + self._wall_offset_ms) / 1000
        return self._pace.is_too_slow(
            time.monotonic(), reached_ms, late_seconds=late_seconds, is_busy=run.backlog_bytes > 0
        )

    def _leave_out_a_rung(self, run: EpochRun) -> None:
        """The most costly one that is encoded. A picture less is better than all of them a minute late, and then not at all."""
        count("TranscoderTooSlow")
        encoded = [rung.track_id for rung in run.plan.rungs if not rung.copy]
        if encoded and len(run.plan.rungs) > 1:
            self._left_out |= {encoded[0]}
            self._restart(f"too slow with {encoded[0]}")

    def _begin_anew(self) -> None:
        """What follows is on another clock or of another format: hand on all there is, and wait for a keyframe."""
        self._finish_run()
        self._buffer.clear()
        self._resume = None
        self._clock.reset()
        if self._fresh_starts.again():
            raise SourceUnplayable("The encoder's clock jumps, or its format changes, again and again.")

    def _finish_run(self) -> None:
        run = self._run
        if run is None:
            return
        run.end_input()
        began_at = time.monotonic()
        try:
            while not (run.is_over or self._has_drained_long_enough(run, began_at)):
                for key, _ in self._selector.select(_TICK_SECONDS):
                    if key.data is run:
                        run.ready(key.fd)
                time.sleep(_GATHERING_SECONDS)  # the socket has more to say, but not now
            if run.is_over:
                run.finish()
        except (MediaFormatError, KeyframesTooFarApart) as error:
            count("TailsLost")
            logger().warning("the end of an epoch is lost", extra={"session": self._serial, "reason": repr(error)})
        self._collect(run)
        self._run = None
        run.dispose()

    def _has_drained_long_enough(self, run: EpochRun, began_at: float) -> bool:
        """Whoever waits for us to stop cannot wait long; otherwise FFmpeg has as long as it goes on writing."""
        waited = time.monotonic() - began_at
        return waited > DRAIN_SECONDS and (self._stopping_by is not None or run.quiet_seconds > DRAIN_SECONDS)

    def _collect(self, run: EpochRun) -> None:
        segments, run.segments = run.segments, []
        self._segments += len(segments)
        if not self._epoch_begun and (segments or run.packager.is_configured):
            tracks, inits = run.packager.tracks, dict(run.packager.inits)
            self._sink.begin_epoch(EpochMedia(self._serial, self._wall_offset_ms, tracks, inits))
            self._epoch_begun = True
        for segment in segments:
            self._sink.add_segment(segment)
            unfit = copies_too_much(run.plan, self._probe.measure())  # the encoder's own word was taken for it at first
            self._unfit_segments = self._unfit_segments + 1 if unfit else 0
        if segments:
            self._buffer.forget_before(run.packager.open_since)
        thumbnails, run.thumbnails = run.thumbnails, []
        for image in thumbnails:
            self._sink.add_thumbnail(image)
