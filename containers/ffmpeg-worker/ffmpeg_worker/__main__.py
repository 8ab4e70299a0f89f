"""Stage 4 · `python -m ffmpeg_worker`: works on the broadcast named in TRANSCODE_JOB, then exits with 0.

With WARM_WORKER instead, it waits until it is given a broadcast. SIGTERM, with which ECS takes a machine back, has it hand over
to a successor first, for WORKER_HAND_OVER_SECONDS at most. SIGINT, or a second SIGTERM, ends the open segment, stores it and
releases the lease, all within ten seconds.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from ffmpeg_worker.waiting import Waiting
from ffmpeg_worker.wiring import open_stores, waiting, worker
from ffmpeg_worker.worker import Worker
from headwater.errors import DependencyUnavailable
from headwater.observability import logger


def main() -> int:
    at_work: list[Waiting | Worker] = []
    told: list[int] = []

    def go(number: int, frame: FrameType | None) -> None:
        del frame
        at_once = bool(told) or number == signal.SIGINT
        told.append(number)
        for each in at_work:
            if isinstance(each, Worker) and not at_once:
                each.hand_over()
            else:
                each.stop()

    signal.signal(signal.SIGTERM, go)
    signal.signal(signal.SIGINT, go)
    stores = open_stores()
    job, first = None, waiting(stores)
    if first is not None:
        at_work.append(first)
        stores.warm_up()
        job = first.job()
        if job is None:
            logger().info("no job for this worker")
            return 0
    working = worker(stores, job)
    at_work.append(working)
    if told:
        working.stop()
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
