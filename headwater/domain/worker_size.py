"""Stages 3 and 4 · how large a machine the ladder of a source needs: told by the worker that has it, used for the next one.

Measured (x264 `veryfast`, 1080p30, ladder 1080/720/480/360; bench/RESULTS.md): all rungs encoded take 1.69 vCPU of real
time, the top rung copied and three encoded 0.99. Both contain decoding the source once, so that a vCPU decodes about 134
million pixels a second and encodes about 89 million.
"""

from __future__ import annotations

from dataclasses import dataclass

DECODED_PER_VCPU = 134_000_000  # pixels a second
ENCODED_PER_VCPU = 89_000_000
RESERVE = 1.25  # above the average: scenes that are hard, a backlog to catch up with


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """In ECS's units: 1,024 to a vCPU, and MiB."""

    cpu: int
    memory_mib: int


# What Fargate has, each with the least memory that goes with it; a worker takes about 300 MiB and what it has not stored yet.
SIZES = (WorkerSize(1024, 2048), WorkerSize(2048, 4096), WorkerSize(4096, 8192), WorkerSize(8192, 16384))


def millicpu_needed(decoded_pixels_per_second: float, encoded_pixels_per_second: float) -> int:
    """Thousandths of a vCPU that a source takes on average; nothing is decoded where nothing is encoded."""
    decoding = decoded_pixels_per_second / DECODED_PER_VCPU if encoded_pixels_per_second else 0.0
    return round(1000 * (decoding + encoded_pixels_per_second / ENCODED_PER_VCPU))


def size_for(millicpu: int) -> WorkerSize:
    """The smallest that holds it with a reserve; the largest when none does (the worker then leaves rungs out)."""
    wanted = millicpu * RESERVE * 1.024
    return next((size for size in SIZES if size.cpu >= wanted), SIZES[-1])
