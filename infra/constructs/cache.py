"""Stage 7 · the cache: ElastiCache Serverless for Valkey, or one that is there already. Whatever is in it may be lost."""

from __future__ import annotations

from aws_cdk import aws_elasticache as elasticache
from constructs import Construct

from infra.config.cache import ExistingCache, ServerlessValkey
from infra.config.stage import Stage
from infra.constructs.placement import StorePlacement

PORTS = (6379, 6380)  # the second is where ElastiCache Serverless answers reads that may be a little old
VERSION = "8"


class Cache(Construct):
    """`url` is what functions are told. ElastiCache Serverless speaks TLS alone, with a certificate that everybody trusts.

    `serverless` is None for an existing cache.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, placement: StorePlacement | None) -> None:
        super().__init__(scope, construct_id)
        self.serverless: elasticache.CfnServerlessCache | None = None
        if isinstance(stage.cache, ExistingCache):
            self.url = stage.cache.url
            if placement is not None and stage.cache.security_group is not None:
                placement.open_existing(self, stage.cache.security_group, PORTS)
            return
        if placement is None:
            raise TypeError("Stage has checked that there is a network for a cache of ours")
        self.serverless = _serverless(self, stage.cache, stage, placement)
        self.url = f"rediss://{self.serverless.attr_endpoint_address}:{self.serverless.attr_endpoint_port}"


def _serverless(
    scope: Construct, valkey: ServerlessValkey, stage: Stage, placement: StorePlacement
) -> elasticache.CfnServerlessCache:
    limits = elasticache.CfnServerlessCache
    return elasticache.CfnServerlessCache(
        scope,
        "Valkey",
        serverless_cache_name=f"headwater-{stage.name}",
        description="Headwater: presence, limits, tickets and what a chat room has just said",
        engine="valkey",
        major_engine_version=VERSION,
        subnet_ids=[subnet.subnet_id for subnet in placement.subnets],
        security_group_ids=[placement.opened(scope, "Valkey, for functions", PORTS).security_group_id],
        cache_usage_limits=limits.CacheUsageLimitsProperty(
            data_storage=limits.DataStorageProperty(maximum=valkey.max_gigabytes, unit="GB"),
            ecpu_per_second=limits.ECPUPerSecondProperty(maximum=valkey.max_ecpu_per_second),
        ),
    )
