"""The Fargate task of one ffmpeg-worker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WorkerTask:
    """One ffmpeg-worker: sized for the full ladder of a 1080p60 source, all rungs encoded (about 3.4 vCPU).

    `subnets` and `security_groups` are those of the stage's network unless they are given.
    """

    image: str = "headwater/ffmpeg-worker"
    cpu: int = 4096
    memory_mib: int = 8192
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    public_ip: bool = True
    start_limit_seconds: int = 90
