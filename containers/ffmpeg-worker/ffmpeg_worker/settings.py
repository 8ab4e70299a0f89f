"""Stage 4 · what the worker reads from its environment. Endpoints of AWS come from the SDK's own variables."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class Settings(EnvironmentSettings, frozen=True, kw_only=True, rename="upper"):
    transcode_job: str = ""  # contracts.TranscodeJob as JSON
    warm_worker: str = ""  # instead: under this id it waits for its job
    stream_table: str
    lease_table: str
    segment_table: str
    media_bucket: str
    event_bus: str
    pulse_queue_url: str
    health_file: str = ""  # touched with every look at the broadcast; empty where nobody asks
    worker_linger_seconds: float = 120.0  # how long to wait for the encoder to come back, at most
    worker_hand_over_seconds: float = 0.0  # after SIGTERM: how long to work on until a successor comes, at most
