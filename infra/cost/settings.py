"""What a setting of a deployer's changes about the month's bill: a table of docs/cost.md."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.domain.warm_pool import BEAT_SECONDS, LOOK_SECONDS
from infra.config.worker import WorkerTask
from infra.cost.idle import MINUTES_PER_MONTH, SCHEDULED_CALL_SECONDS
from infra.cost.prices import HOURS_PER_MONTH, monthly, price
from infra.cost.stream_hour import HOUR, fargate_hour
from infra.cost.tables import cents, table

# A schedule of a minute, whose function finds that nobody wants anything.
ON_DEMAND_LOOKS = MINUTES_PER_MONTH * (
    price("EventBridge Scheduler") + price("Lambda, request") + SCHEDULED_CALL_SECONDS * 0.5 * price("Lambda, ARM")
)
NO_NODE = (0.5, 1.0)  # vCPU and GB, where the templates have none


def settings() -> Iterator[str]:
    yield "### What a setting changes"
    yield ""
    node = fargate_hour(*NO_NODE, spot=False, public_ip=True)
    two_addresses = monthly("public IPv4 address", 2)
    acu = monthly("Aurora Serverless v2", 0.5)
    cache = monthly("ElastiCache Serverless, Valkey, data", 0.1)
    acl = price("WAF, web ACL") + price("WAF, rule")
    rows = [
        ("`network.egress`", "`ipv6` (default)", 0.0, "an egress-only internet gateway is free"),
        ("", "`nat_instance`", _nat_instance(), "one t4g.nano, its address and disk"),
        ("", "`nat_gateway`", _nat_gateways(), "one in each of two zones; and $0.045 for each GB"),
        ("`database`", "`min_acu = 0`, no reader", 0.0, "asleep; $0.12 for each ACU and hour awake"),
        ("", "`min_acu = 0.5`, no reader", acu, "always there"),
        ("", "`min_acu = 0.5`, one reader", 2 * acu, "and another that takes over"),
        ("", "existing (`secret_arn`)", 0.0, "whatever that one costs"),
        ("`cache`", "ElastiCache Serverless, Valkey", cache, "its least: 0.1 GB"),
        ("", "existing (`url`)", 0.0, "whatever that one costs"),
        ("`ingest`", "load balancer", monthly("Network Load Balancer") + two_addresses, "and its address in two zones"),
        ("", "each of `min_tasks`", node * HOURS_PER_MONTH, f"{NO_NODE[0]} vCPU, {NO_NODE[1]:g} GB and its address"),
        (
            "",
            "`on_demand`",
            ON_DEMAND_LOOKS,
            f"no node until a streamer asks; then ${node:.4f} an hour with its address",
        ),
        ("", "`false`", 0.0, "nobody can publish"),
        ("`worker.warm_workers`", "0 (default)", 0.0, "a worker is started when somebody publishes: 30 to 60 s"),
        (
            "",
            "each, on Spot",
            _waiting_worker(spot=True),
            "2 vCPU, 4 GB, its address, its questions: one second",
        ),
        ("", "each, on demand", _waiting_worker(spot=False), "the same"),
        ("`delivery.web_acl_arn`", "given", acl, "one rule; $1 for each further one, $0.60 a million requests"),
        ("`monitoring`", "given", price("dashboard") + 30 * price("alarm"), "a dashboard and some thirty alarms"),
    ]
    yield from table(
        ("setting", "value", "$ a month", ""),
        [(name, value, cents(dollars), note) for name, value, dollars, note in rows],
    )
    yield ""


def _nat_instance() -> float:
    return monthly("instance t4g.nano") + monthly("public IPv4 address") + 8 * price("disk, gp3")


def _waiting_worker(*, spot: bool) -> float:
    """Of the size that stages have."""
    size, seconds = WorkerTask(), HOURS_PER_MONTH * HOUR
    machine = fargate_hour(size.cpu / 1024, size.memory_mib / 1024, spot=spot, public_ip=True) * HOURS_PER_MONTH
    asked = seconds / LOOK_SECONDS * price("DynamoDB, read") + seconds / BEAT_SECONDS * price("DynamoDB, write")
    return machine + asked


def _nat_gateways() -> float:
    return monthly("NAT gateway", 2) + monthly("public IPv4 address", 2)
