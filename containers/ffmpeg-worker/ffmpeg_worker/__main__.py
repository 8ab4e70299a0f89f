"""Stage 4 · `python -m ffmpeg_worker`: works on the broadcast named in TRANSCODE_JOB, then exits with 0.

SIGTERM and SIGINT end the open segment, store it and release the lease, all within ten seconds.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from ffmpeg_worker.wiring import worker
from headwater.errors import DependencyUnavailable
from headwater.observability import logger


def main() -> int:
    working = worker()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        working.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        working.run()
    except DependencyUnavailable:
        logger().exception("a store did not answer; the dispatcher will start another worker")
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # uploads that were given up may still hang in threads
