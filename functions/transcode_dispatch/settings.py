"""Stage 3 · what the dispatcher reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class Settings(EnvironmentSettings, frozen=True, kw_only=True):
    stream_table: str
    lease_table: str
    event_bus: str
    pulse_queue_url: str
    finalise_queue_url: str
    ecs_cluster: str
    transcode_task_definition: str
    transcode_subnets: str = ""  # comma-separated; empty where tasks have no network of their own
    transcode_subnet_ranges: str = ""  # the addresses of each, in the same order; empty where they are not known
    transcode_security_groups: str = ""
    transcode_public_ip: bool = True  # false where the subnets have a NAT gateway or endpoints
    transcode_spot: bool = False  # on spare capacity while there is any
    worker_start_limit_seconds: int
    transcode_cpu: int  # of the task definition, in ECS's units
    warm_workers: int  # so many wait for a broadcast
    longest_broadcast_seconds: int
