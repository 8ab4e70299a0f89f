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

READ_STAMP = f"""() => {{
  const video = document.querySelector('video');
  if (!video || video.readyState < 2) return null;
  const canvas = window.stampCanvas ??= document.createElement('canvas');
  [canvas.width, canvas.height] = [{WIDTH}, {HEIGHT}];
  const context = canvas.getContext('2d', {{willReadFrequently: true}});
  context.drawImage(video, 0, 0, {WIDTH}, {HEIGHT});
  const pixels = context.getImageData(0, 0, {WIDTH}, {2 * BLOCK}).data;
  const at = (column, row) => pixels[4 * ((row * {BLOCK} + {BLOCK // 2}) * {WIDTH} + column * {BLOCK} + {BLOCK // 2})];
  let stamp = 0;
  for (let bit = 0; bit < {BITS}; bit++) {{
    const [one, inverse] = [at(bit, 0) > 128, at(bit, 1) > 128];
    if (one === inverse) return null;
    stamp = stamp * 2 + (one ? 1 : 0);
  }}
  return Date.now() % 2 ** {BITS} - stamp;
}}"""


def _row(bits: Sequence[bool]) -> bytes:
    line = b"".join((b"\xeb" if bit else b"\x10") * BLOCK for bit in bits)
    return line.ljust(WIDTH, b"\x80") * BLOCK


def frame(milliseconds: int) -> bytes:
    """One grey frame (`gray`, 640 × 360) that carries `milliseconds` modulo 2⁴⁰, over a moving gradient."""
    bits = [bool(milliseconds >> place & 1) for place in reversed(range(BITS))]
    rows = _row(bits) + _row([not bit for bit in bits])
    shift = milliseconds // 33 % 256
    gradient = bytes((x + shift) % 220 + 16 for x in range(WIDTH))
    return rows + gradient * (HEIGHT - 2 * BLOCK)


@contextmanager
def stamped_publisher(urls: Sequence[str], gop_seconds: float = 2.0) -> Iterator[subprocess.Popen[bytes]]:
    """Publishes the stamped source to every one of `urls` from one encoder, so that peers get the same bytes."""
    gop = str(round(RATE * gop_seconds))
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "gray"]
    command += ["-video_size", f"{WIDTH}x{HEIGHT}", "-framerate", str(RATE), "-i", "pipe:0"]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
    command += [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "1500k",
    ]
    command += ["-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-c:a", "aac", "-b:a", "96k", "-shortest"]
    command += ["-map", "0:v", "-map", "1:a", "-flags", "+global_header"]
    outputs = "|".join(f"[f=flv:onfail=abort]{url}" for url in urls)
    process = subprocess.Popen([*command, "-f", "tee", outputs], stdin=subprocess.PIPE)
    stop = threading.Event()

    def feed() -> None:
        assert process.stdin
        began, count = time.monotonic(), 0
        try:
            while not stop.is_set():
                process.stdin.write(frame(time.time_ns() // 1_000_000))
                count += 1
                stop.wait(max(0.0, began + count / RATE - time.monotonic()))
            process.stdin.close()
        except OSError:
            return  # the encoder has gone

    feeder = threading.Thread(target=feed, name="stamped-source")
    feeder.start()
    try:
        yield process
    finally:
        stop.set()
        feeder.join()
        process.terminate()
        process.wait(timeout=10)
