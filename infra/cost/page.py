"""Writes docs/cost.md: every figure of it is worked out here, from the templates and the prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra.config.ingest import IngestService
from infra.cost.idle import (
    Found,
    Line,
    Template,
    allowed,
    idle_lines,
    resources,
    task_size,
)
from infra.cost.prices import PRICES, SEEN, price
from infra.cost.settings import NO_NODE, settings
from infra.cost.stream_hour import (
    HOUR,
    LADDER_GB,
    SOURCE_GB,
    TRACKS,
    Machines,
    fargate_hour,
    lines,
    operations,
    other_zone_hour,
    recording_month,
)
from infra.cost.tables import cents, exact, mills, table
from infra.cost.viewing import RENDITIONS, calm_room, chat_lines, gigabytes
from infra.cost.viewing import lines as viewing_lines

Templates = Mapping[str, Template]

IDLE_TARGETS = {"dev": 5.0, "prod": 40.0}
SPOT_TARGET, ON_DEMAND_TARGET = 0.05, 0.11
STREAMS_PER_NODE = IngestService().publishers_per_task


def page(stages: Mapping[str, Templates]) -> str:
    """`stages`: templates by stack, by stage."""
    return "\n".join([*_head(), *_idle(stages), *settings(), *_stream_hour(stages), *_viewing(), *_prices()]) + "\n"


def _head() -> Iterator[str]:
    yield "# What it costs"
    yield ""
    yield "<!-- Written by `make cost`: worked out in infra/cost/ from the templates and the table of prices. -->"
    yield ""
    yield (
        f"List prices of us-east-1 as of {SEEN}, in US dollars, on demand, without free tiers, taxes or support; every price "
        "with its source stands [at the end](#prices). No account has been billed: these figures are worked out, not observed."
    )
    yield ""


# --- idle ---


def _idle(stages: Mapping[str, Templates]) -> Iterator[str]:
    yield "## Idle, per month"
    yield ""
    yield (
        "Nobody streams, watches or calls, and nothing is stored. Read off the synthesised templates of each stage with "
        "`infra/settings.example.toml`, resource by resource."
    )
    yield ""
    for stage, templates in stages.items():
        found = idle_lines(templates)
        yield f"### Stage `{stage}`"
        yield ""
        yield from table(("stack", "what", "count", "$ a month"), [_row(stage, line) for line in found])
        total = sum(line.dollars for line in found)
        after = total - allowed(found)
        target = IDLE_TARGETS[stage]
        yield ""
        yield (
            f"**Together ${total:.2f}**; ${after:.2f} if nothing else uses up what every account has for nothing (a million "
            "SQS requests, 10 alarms, 3 dashboards, and more scheduled calls than these)."
        )
        yield f"Target: at most ${target:.0f}: {_verdict(total, target, after)}"
        yield ""
        yield from table(("the same, step by step with", "$ a month", "target"), list(_steps(found, target)))
        yield ""


def _steps(found: Sequence[Line], target: float) -> Iterator[Sequence[str]]:
    """What is left if one thing after the other is decided differently."""
    rest = list(found)
    for what, words in (
        ("`database.min_acu = 0` and no reader (it sleeps when nobody calls)", ("Aurora",)),
        ("`ingest.on_demand` (no load balancer, and no node until somebody asks)", _INGEST_WORDS),
        ("no dashboard and no alarms", ("alarms", "dashboards", "composite alarms")),
        ("a cache of your own", ("ElastiCache", "cache node")),
    ):
        kept = [line for line in rest if not line.what.startswith(words)]
        if sum(line.dollars for line in kept) < sum(line.dollars for line in rest):
            rest = kept
            left = sum(line.dollars for line in rest)
            yield what, cents(left), _verdict(left, target).strip("*.")
    left = sum(line.dollars for line in rest) - allowed(rest)
    yield "what every account has for nothing", cents(left), _verdict(left, target).strip("*.")


_INGEST_WORDS = ("network load balancers", "public IPv4 addresses", "tasks of", "Spot tasks of")


def _row(stage: str, line: Line) -> Sequence[str]:
    return line.stack.removeprefix(f"headwater-{stage}-"), line.what, f"{line.count:,.0f}", cents(line.dollars)


def _verdict(total: float, target: float, after: float | None = None) -> str:
    if total <= target:
        return "**met**."
    if after is not None and after <= target:
        return "**met by the free allowances alone**."
    return "**not met**."


# --- an hour on the air ---


def _stream_hour(stages: Mapping[str, Templates]) -> Iterator[str]:
    done = operations()
    yield "## An hour of a broadcast"
    yield ""
    yield (
        f"A source of 1080p at 30 pictures a second and 5 Mbit/s ({SOURCE_GB:.2f} GB an hour), the full ladder of {TRACKS - 1} "
        f"renditions and a sound track ({LADDER_GB:.2f} GB), delivery to viewers aside. {done.puts / HOUR:.1f} PUTs a second: "
        f"{done.segment_puts / HOUR:g} segments, {done.playlist_puts / HOUR:g} playlists and manifests, "
        f"{done.picture_puts / HOUR:g} pictures; {done.table_writes:,.0f} "
        "writes of DynamoDB an hour. How often everything is done is counted by running the product "
        "(`tests/unit/test_cost_of_a_broadcast.py`)."
    )
    yield ""
    for names, machines in _alike(stages):
        together = [dict(lines(each)) for _, each in machines]
        parts = list(dict.fromkeys(name for each in together for name in each))
        size = machines[0][1]
        yield f"### {names}: a worker of {size.worker_vcpu:g} vCPU and {size.worker_gb:g} GB"
        yield ""
        rows = [(name, *(mills(each.get(name, 0.0)) for each in together)) for name in parts]
        rows.append(("**together**", *(f"**{mills(sum(each.values()))}**" for each in together)))
        yield from table(("$ an hour", *(title for title, _ in machines)), rows)
        yield ""
        for (title, each), costs in zip(machines, together, strict=True):
            target = SPOT_TARGET if each.spot else ON_DEMAND_TARGET
            yield f"Target, {title}: at most ${target:.2f}: {_verdict(sum(costs.values()), target)}  "
        yield ""
    yield (
        "A node on demand is counted whole, for whoever is alone on it: shared by so many that it is full, it is as cheap as "
        f"a share of one that always runs. Beside the hour itself it runs for the {IngestService().wish_seconds // 60} minutes "
        f"that it waits afterwards (${_waiting(stages):.4f}), and for the minute that it takes to start."
    )
    yield ""
    yield (
        "The worker is started in the zone of its ingest node, so that the source costs nothing on its way. Where that zone "
        "has no room, and half of the time for a worker that waited (`worker.warm_workers`), it is "
        f"${other_zone_hour():.4f} more."
    )
    yield ""
    yield f"Keeping the recording of such an hour: ${recording_month():.3f} a month ({LADDER_GB:.2f} GB in S3)."
    yield ""
    yield from _what_would_help(stages)


def _waiting(stages: Mapping[str, Templates]) -> float:
    """What a node costs between its last publisher and its end."""
    vcpu, gigabytes_ = _task(next(iter(stages.values())), "ingest")
    return fargate_hour(vcpu, gigabytes_, spot=False, public_ip=True) * IngestService().wish_seconds / HOUR


def _alike(stages: Mapping[str, Templates]) -> Iterator[tuple[str, list[tuple[str, Machines]]]]:
    """Stages that run on the same machines are shown together."""
    names: dict[tuple[tuple[str, Machines], ...], list[str]] = {}
    for stage, templates in stages.items():
        machines = tuple((title, _machines(templates, spot=spot, balancer=balancer)) for title, spot, balancer in _WAYS)
        names.setdefault(machines, []).append(f"`{stage}`")
    for machines, called in names.items():
        yield f"{'Stage' if len(called) == 1 else 'Stages'} {' and '.join(called)}", list(machines)


_WAYS = (
    ("Spot, load balancer", True, True),
    ("on demand, load balancer", False, True),
    ("Spot, node on demand", True, False),
)


def _machines(templates: Templates, *, spot: bool, balancer: bool) -> Machines:
    worker, node = _task(templates, "worker"), _task(templates, "ingest")
    return Machines(
        worker_vcpu=worker[0],
        worker_gb=worker[1],
        worker_public_ip=True,
        spot=spot,
        node_vcpu=node[0],
        node_gb=node[1],
        node_public_ip=True,
        streams_per_node=STREAMS_PER_NODE,
        load_balancer=balancer,
        node_on_demand=not balancer,
    )


def _task(templates: Templates, kind: str) -> tuple[float, float]:
    """Size of the task whose family is called so."""
    sizes = [
        task_size(found.properties)
        for found in resources(templates)
        if found.type == "AWS::ECS::TaskDefinition" and kind in str(found.properties.get("Family", _name(found)))
    ]
    return sizes[0] if sizes else NO_NODE


def _name(found: Found) -> str:
    return f"{found.stack}/{found.logical_id}".lower()


def _what_would_help(stages: Mapping[str, Templates]) -> Iterator[str]:
    """Proposals, each with what it is worth."""
    done, put = operations(), price("S3, PUT or LIST")
    vcpu, gigabytes_ = _task(next(iter(stages.values())), "worker")
    whole, half = (fargate_hour(vcpu / n, gigabytes_ / n, spot=True, public_ip=False) for n in (1, 2))
    whole_on_demand, half_on_demand = (
        fargate_hour(vcpu / n, gigabytes_ / n, spot=False, public_ip=False) for n in (1, 2)
    )
    halved = (
        "a worker of half the size where the top rendition is copied (1.3 vCPU are used, bench/RESULTS.md)",
        whole - half,
        f"on Spot; ${whole_on_demand - half_on_demand:.3f} on demand",
    )
    rows = [
        *([halved] if vcpu > 2 else []),
        (
            "playlists and the manifest made by a function behind the CDN, from the timeline, instead of being objects",
            done.playlist_puts * put,
            "the function is asked once a second at most for each, however many watch: some $0.01 an hour while anybody does",
        ),
        (
            "one object for all tracks of a segment; playlists name byte ranges of it",
            done.segment_puts * (1 - 1 / TRACKS) * put,
            "version 4 of HLS, `SegmentList` in DASH; the edge caches larger objects",
        ),
        (
            "segments of 4 s instead of 2 s",
            (done.segment_puts + done.playlist_puts) / 2 * put,
            "viewers are some 4 s further behind",
        ),
        (
            "S3 Express One Zone for what is live, copied to S3 once a minute",
            (done.segment_puts + done.playlist_puts) * (put - price("S3 Express One Zone, PUT")),
            "one zone; each GB costs, too; that CloudFront can read from it was not confirmed",
        ),
        (
            "the manifest for DASH written only while somebody asks for it",
            done.playlist_puts / (TRACKS + 1) * put,
            "presence knows who watches, not how",
        ),
        (
            "the poster every minute instead of every ten seconds",
            done.picture_puts / 2 * 5 / 6 * put,
            "lists show an older picture",
        ),
        ("a worker without an IPv4 address", price("public IPv4 address"), "its image has to come over IPv6"),
        (
            "the control of a stream kept below 1 KB",
            done.control_writes * price("DynamoDB, write"),
            "it is a little more: what it says of past sessions would go elsewhere",
        ),
    ]
    yield "### What would make it cheaper"
    yield ""
    yield "None of this is built. S3's PUTs are the largest part, and playlists the larger half of those."
    yield ""
    yield from table(
        ("change", "$ an hour less", "price of it"), [(what, mills(less), note) for what, less, note in rows]
    )
    yield ""
    fitting = [
        less for what, less, _ in rows if not what.startswith(("segments of", "S3 Express", "the manifest for DASH"))
    ]
    spot, on_demand, direct = (
        sum(dollars for _, dollars in lines(each)) - sum(fitting) for _, each in next(_alike(stages))[1]
    )
    yield (
        "All of it together, but for longer segments, S3 Express and the DASH manifest, which the first row has already: "
        f"${spot:.3f} on Spot, ${on_demand:.3f} on demand, ${direct:.3f} on Spot with a node on demand. So the targets are "
        "not reached at list prices with segments of two seconds, four renditions and every object stored once."
    )
    yield ""


# --- watching ---


def _viewing() -> Iterator[str]:
    yield "## A thousand hours of watching"
    yield ""
    rows = [
        (
            name,
            f"{gigabytes(rate):.2f}",
            *(
                f"{1000 * sum(dollars for _, dollars in viewing_lines(rate, edge_function=True, firewall=firewall)):.2f}"
                for firewall in (False, True)
            ),
        )
        for name, rate in RENDITIONS
    ]
    yield from table(("rendition", "GB an hour", "$ for 1,000 hours", "with a firewall (WAF)"), rows)
    yield ""
    parts = viewing_lines(RENDITIONS[1][1], edge_function=True, firewall=False)
    said = "; ".join(f"{what} ${1000 * dollars:.2f}" for what, dollars in parts)
    yield f"Of it at {RENDITIONS[1][0]}: {said}. CloudFront's first terabyte and ten million requests of a month are free."
    yield ""
    yield (
        "Chat comes on top: a room of a hundred, in which something is said every ten seconds, is "
        f"${1000 * sum(dollars for _, dollars in chat_lines(calm_room())):.2f} for 1,000 hours of being there. A room as busy "
        "as can be read is in [bench/RESULTS.md](../bench/RESULTS.md)."
    )
    yield ""
    yield from table(
        ("chat", "$ for 1,000 hours"), [(what, f"{1000 * dollars:.3f}") for what, dollars in chat_lines(calm_room())]
    )
    yield ""


# --- prices ---


def _prices() -> Iterator[str]:
    yield "## Prices"
    yield ""
    yield (
        "The vendor's pages are filled in by scripts, so each price was compared with a stored copy of something else, which "
        'is named. "From memory" is what nothing could be found for: look those up first.'
    )
    yield ""
    rows = [(each.what, exact(each.dollars), each.unit, f"<{each.page}>", each.compared_with) for each in PRICES]
    yield from table(("what", "$", "for one", "page", f"compared on {SEEN} with"), rows)
