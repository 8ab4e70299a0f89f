"""How long the encoder holds a picture: from its last byte into FFmpeg to its packet out, picture by picture.

Same pictures, at their own pace, into our encoder options and into x264's defaults of the same preset and bitrate.
"""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from datetime import date

from bench.figures import Figure, Section
from ffmpeg_worker.ffmpeg_command import OutputPipes, ffmpeg_command
from ffmpeg_worker.transcode_plan import Keyframes, TranscodePlan, plan_transcode
from headwater.domain.ladder import Rung, Source

RATE, PICTURES, SKIPPED = 30, 135, 45
RUNGS = 2  # the largest are the slowest
LIMIT_MS = 75.0
SOURCE = Source(1920, 1080, float(RATE), "h264", True, 20_000_000, None, 0, 0, 0)


def run(rounds: int = 3) -> Section:
    plan = plan_transcode(SOURCE, Keyframes.SOURCE)
    figures = []
    for rung in plan.rungs[:RUNGS]:
        pictures = _pictures(rung)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(statistics.median(_delays_ms(pictures, rung, _our_options(plan, rung))))
            theirs.append(statistics.median(_delays_ms(pictures, rung, _default_options(rung))))
        figures.append(
            Figure(
                name=f"encoder delay, {rung.track_id}",
                unit="ms",
                ours=ours,
                peer_name="x264 veryfast",
                peer=theirs,
                most=LIMIT_MS,
            )
        )
    method = (
        f"Raw pictures at {RATE} a second into FFmpeg's stdin; a picture's delay is from its last byte written to the line "
        f"that `-f framecrc` prints of its packet, so it holds the encoding itself. The median of pictures {SKIPPED} to "
        f"{PICTURES}, encoder options taken from the worker's own command."
    )
    return Section(title="Encoder delay", taken_on=date.today().isoformat(), method=method, figures=figures)  # noqa: DTZ011


def _our_options(plan: TranscodePlan, rung: Rung) -> list[str]:
    """What the worker's command says of this rung's encoder."""
    pipes = OutputPipes(dict.fromkeys(plan.track_ids, 9), progress=9, thumbnails=None)
    command = ffmpeg_command(plan, pipes)
    begin = command.index("-c:v", command.index(f"[{rung.track_id}]"))
    return command[begin : command.index("-avoid_negative_ts", begin)]


def _default_options(rung: Rung) -> list[str]:
    options = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-g", str(2 * RATE)]
    options += ["-b:v", str(rung.bits_per_second), "-maxrate:v", str(rung.max_bits_per_second)]
    return [*options, "-bufsize:v", str(rung.buffer_bits), "-fps_mode", "passthrough", "-enc_time_base", "-1"]


def _pictures(rung: Rung) -> list[bytes]:
    """Half a second of moving pictures, played to and fro."""
    size = f"{rung.width}x{rung.height}"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={RATE}", "-frames:v", "15"]
    done = subprocess.run([*command, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"], capture_output=True, check=True)
    length = rung.width * rung.height * 3 // 2
    found = [done.stdout[at : at + length] for at in range(0, len(done.stdout), length)]
    return found + found[-2:0:-1]


def _delays_ms(pictures: Sequence[bytes], rung: Rung, options: Sequence[str]) -> list[float]:
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-probesize", "32", "-analyzeduration", "0"]
    command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", f"{rung.width}x{rung.height}"]
    command += ["-framerate", str(RATE), "-i", "pipe:0", *options, "-flush_packets", "1", "-f", "framecrc", "pipe:1"]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    left: dict[int, float] = {}
    reader = threading.Thread(target=_read_packets, args=(encoder, left))
    reader.start()
    assert encoder.stdin
    entered: dict[int, float] = {}
    began = time.monotonic()
    for number in range(PICTURES):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        encoder.stdin.write(pictures[number % len(pictures)])
        encoder.stdin.flush()
        entered[number] = time.monotonic()
    encoder.stdin.close()
    reader.join()
    encoder.wait()
    return [1000 * (left[number] - entered[number]) for number in range(SKIPPED, PICTURES)]


def _read_packets(encoder: subprocess.Popen[bytes], left: dict[int, float]) -> None:
    """A line of framecrc: stream, dts, pts, duration, size, checksum; its time base is a picture."""
    assert encoder.stdout
    for line in encoder.stdout:
        if not line.startswith(b"#"):
            left[int(line.split(b",")[2])] = time.monotonic()
