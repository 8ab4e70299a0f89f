"""The stages there are: `local` on one machine; `dev` and `prod` on AWS, with a deployer's own values over theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.config.api import Api, Concurrency
from infra.config.cache import ServerlessValkey
from infra.config.database import Aurora
from infra.config.delivery import Delivery
from infra.config.deployer_values import read_values, with_values
from infra.config.errors import ConfigurationError
from infra.config.ingest import IngestService
from infra.config.local_values import LocalValues, local
from infra.config.monitoring import Monitoring
from infra.config.network import Network
from infra.config.stage import Stage

# Cheap when nobody streams: everything that can sleep does, and going away takes the data along.
DEV: Mapping[str, Any] = {
    "name": "dev",
    "network": Network(),
    "database": Aurora(min_acu=0, max_acu=2, readers=0, backup_days=1),
    "cache": ServerlessValkey(max_gigabytes=1, max_ecpu_per_second=5_000),
    "ingest": IngestService(on_demand=True, max_tasks=1),
    "delivery": Delivery(access_log_days=7),
    "keep_data": False,
    "log_retention_days": 7,
}

# Always there: a second instance takes over when the first one's zone is away, and data outlives the stacks.
PROD: Mapping[str, Any] = {
    "name": "prod",
    "network": Network(),
    "database": Aurora(min_acu=0.5, max_acu=16, readers=1, backup_days=14),
    "cache": ServerlessValkey(),
    "delivery": Delivery(),
    "api": Api(concurrency=Concurrency(api=400)),
    "ingest": IngestService(),
    "monitoring": Monitoring(),
}

ON_AWS: Mapping[str, Mapping[str, Any]] = {"dev": DEV, "prod": PROD}


def stage_named(name: str, *, local_values_file: str | None = None, settings_file: str | None = None) -> Stage:
    """The stage called `name`. Raises ConfigurationError when there is none, or when a file cannot be used."""
    if name == "local":
        return local(LocalValues() if local_values_file is None else LocalValues.from_file(local_values_file))
    if name not in ON_AWS:
        raise ConfigurationError(
            f"there is no stage {name!r}; choose with `-c stage=…` one of: local, {', '.join(ON_AWS)}"
        )
    return stage_of_values(name, {} if settings_file is None else read_values(settings_file))


def stage_of_values(name: str, given: Mapping[str, object]) -> Stage:
    """A stage on AWS with a deployer's values over its own."""
    stage: Stage = with_values(Stage, ON_AWS[name], given)
    return stage
