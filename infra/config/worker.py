"""The Fargate task of one ffmpeg-worker."""

from __future__ import annotations

from dataclasses import dataclass

from infra.config.errors import ConfigurationError

# What Fargate has: memory for so much CPU, in MiB.
# docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
_MEMORY_OF_CPU = {
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
}

MOST_WARM_WORKERS = 20  # all of them are one item of 4 KB


@dataclass(frozen=True, kw_only=True)
class WorkerTask:
    """One ffmpeg-worker for each live broadcast. Prices are us-east-1's, USD and hour, arm64: $0.03238 for a vCPU, $0.00356
    for a GB, $0.005 for the public IPv4 address.

    `cpu` and `memory_mib` are for a stream that was never on the air. Afterwards the dispatcher asks for what its ladder took
    (headwater/domain/worker_size.py): 1 vCPU and 2 GB up to 720p30, $0.039; 2 and 4 for 1080p30 whose top rung is copied,
    $0.079; 4 and 8 when all of it is encoded, or for 1080p60, $0.158. The default holds the 1080p30 that most encoders send;
    a worker that is too small for the first broadcast of a stream leaves its costliest rungs out, and the next is larger.

    `spot`: on spare capacity, for about a third of the price ($0.025 for 2 vCPU and 4 GB). AWS takes a machine back with two
    minutes' notice: the worker then works on until another one has come, which reads on from what the ingest node keeps of the
    last minute. Nothing is lost, and players wait for nobody. Where there is no spare capacity, and after a worker that did not
    come or died, the full price is paid at once.

    `warm_workers`: so many wait, started, for a broadcast to begin, which then has its worker in a second instead of some 30
    to 60, until Fargate has started a task; another is started in its place. Each costs what a worker of `cpu` and `memory_mib`
    does, all the time, and $0.80 a month for the two questions a second that it asks: $23 a month on Spot with 2 vCPU and
    4 GB, $62 without. A stream whose source took more than that last time does not get one of these.

    `image`: of a registry; None builds containers/ffmpeg-worker and puts it into the account's own when it is deployed,
    which needs Docker there. `subnets` and `security_groups` are those of the stage's network unless they are given.
    """

    image: str | None = None
    cpu: int = 2048
    memory_mib: int = 4096
    spot: bool = True
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    public_ip: bool = True
    start_limit_seconds: int = 90
    warm_workers: int = 0

    def __post_init__(self) -> None:
        if self.cpu not in _MEMORY_OF_CPU:
            sizes = ", ".join(str(each) for each in _MEMORY_OF_CPU)
            raise ConfigurationError(f"worker.cpu must be one of {sizes} (1024 is a vCPU), not {self.cpu}")
        memory = _MEMORY_OF_CPU[self.cpu]
        if self.memory_mib not in memory:
            raise ConfigurationError(
                f"worker.memory_mib must be from {memory[0]} to {memory[-1]} in steps of {memory.step} for worker.cpu "
                f"{self.cpu}, not {self.memory_mib}"
            )
        if not 15 <= self.start_limit_seconds <= 600:
            raise ConfigurationError("worker.start_limit_seconds must be from 15 to 600")
        if not 0 <= self.warm_workers <= MOST_WARM_WORKERS:
            raise ConfigurationError(
                f"worker.warm_workers must be from 0 to {MOST_WARM_WORKERS}, not {self.warm_workers}: each is a task that "
                "is paid for all the time"
            )
