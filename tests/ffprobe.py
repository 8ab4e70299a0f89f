"""ffprobe as the judge of what we write."""

from __future__ import annotations

import json
import subprocess
from typing import Any


def probe(media: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the only stream, its packets) of a file in memory; fails when ffprobe complains.

    Its MP4 reader moves all `pts` of a track by the most negative composition offset; `dts` are as written.
    """
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_packets", "-of", "json", "-i", "pipe:0"]
    done = subprocess.run(command, input=media, capture_output=True, timeout=60, check=False)
    assert not done.stderr, done.stderr.decode()
    answer = json.loads(done.stdout)
    (stream,) = answer["streams"]
    return stream, answer["packets"]


def frame_hashes(media: bytes) -> list[str]:
    """The MD5 of every decoded frame."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "framemd5", "-"]
    done = subprocess.run(command, input=media, capture_output=True, timeout=60, check=True)
    assert not done.stderr, done.stderr.decode()
    return [line.split()[-1] for line in done.stdout.decode().splitlines() if not line.startswith("#")]
