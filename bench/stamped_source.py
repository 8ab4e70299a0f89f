"""A live source whose every frame carries the time at which it was made, readable from the played picture.

The stamp is 40 bits of Unix milliseconds as black and white blocks in two rows (the second row inverted, so that a
half-decoded or blended frame is recognised and dropped). Blocks are 16 × 16 pixels: they survive scaling and quantisation.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

WIDTH, HEIGHT, RATE = 640, 360, 30
BITS, BLOCK = 40, 16
KEYFRAME_SECONDS = 2

# Evaluated in the page: the age in milliseconds of the frame that each <video> shows, null where none can be read.
READ_AGES = f"""() => [...document.querySelectorAll('video')].map((video) => {{
  if (video.readyState < 2) return null;
  const canvas = video.stampCanvas ??= new OffscreenCanvas({WIDTH}, {2 * BLOCK});
  const context = canvas.getContext('2d', {{willReadFrequently: true}});
  context.drawImage(video, 0, 0, {WIDTH}, {HEIGHT});
  const now = Date.now();
  const pixels = context.getImageData(0, 0, {WIDTH}, {2 * BLOCK}).data;
  const bright = (column, row) =>
    pixels[4 * ((row * {BLOCK} + {BLOCK // 2}) * {WIDTH} + column * {BLOCK} + {BLOCK // 2})] > 128;
  let stamp = 0;
  for (let bit = 0; bit < {BITS}; bit++) {{
    if (bright(bit, 0) === bright(bit, 1)) return null;
    stamp = stamp * 2 + (bright(bit, 0) ? 1 : 0);
  }}
  return now % 2 ** {BITS} - stamp;
}})"""


def _row(bits: Sequence[bool]) -> bytes:
    line = b"".join((b"\xeb" if bit else b"\x10") * BLOCK for bit in bits)
    return line.ljust(WIDTH, b"\x80") * BLOCK


def frame(milliseconds: int) -> bytes:
    """One grey frame (`gray`, 640 × 360) that carries `milliseconds` modulo 2⁴⁰, over a moving gradient."""
    bits = [bool(milliseconds >> place & 1) for place in reversed(range(BITS))]
    rows = _row(bits) + _row([not bit for bit in bits])
    shift = milliseconds // 33 % 200
    gradient = bytes((x + shift) % 200 + 28 for x in range(WIDTH))
    return rows + gradient * (HEIGHT - 2 * BLOCK)


@contextmanager
def stamped_publisher(urls: Sequence[str], keyframe_seconds: int = KEYFRAME_SECONDS) -> Iterator[float]:
    """One encoder publishes the stamped source to all of `urls` while it runs; yields when it started (`time.monotonic`)."""
    gop = str(RATE * keyframe_seconds)
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-probesize", "32", "-analyzeduration", "0"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-video_size", f"{WIDTH}x{HEIGHT}", "-framerate", str(RATE)]
    command += ["-i", "pipe:0", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"]
    command += ["-b:v", "1500k", "-g", gop, "-keyint_min", gop, "-sc_threshold", "0"]
    command += ["-c:a", "aac", "-b:a", "96k", "-flags", "+global_header", "-map", "0:v", "-map", "1:a"]
    command += ["-f", "tee", "|".join(f"[f=flv]{url}" for url in urls)]
    began = time.monotonic()
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    stop = threading.Event()
    feeder = threading.Thread(target=_feed, args=(encoder, began, stop), name="stamped-source")
    feeder.start()
    try:
        yield began
    finally:
        stop.set()
        feeder.join()
        encoder.terminate()
        encoder.wait(timeout=10)


def _feed(encoder: subprocess.Popen[bytes], began: float, stop: threading.Event) -> None:
    assert encoder.stdin
    try:
        count = 0
        while not stop.wait(max(0.0, began + count / RATE - time.monotonic())):
            encoder.stdin.write(frame(time.time_ns() // 1_000_000))
            count += 1
            if time.monotonic() - began > (count + 1) / RATE:  # it kept us waiting: a camera drops, it does not queue
                count = int((time.monotonic() - began) * RATE)
        encoder.stdin.close()
    except OSError:
        return  # the encoder has gone
