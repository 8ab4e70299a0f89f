"""What an ingest node is told of this machine, whoever starts it: the stack itself, or the ECS endpoint when somebody asks."""

from __future__ import annotations

from pathlib import Path

from localrun.plan import LOOPBACK, StackPlan


def state_folder(plan: StackPlan) -> Path:
    """It holds the spool of hooks that were not accepted yet."""
    return plan.data / "ingest"


def node_environment(plan: StackPlan) -> dict[str, str]:
    """What a node is told of this machine: the same ports for every one, so there is one at a time."""
    return {
        "RTMP_LISTEN": f"{LOOPBACK}:{plan.ports.rtmp}",
        "LOOPBACK_PORT": str(plan.ports.ingest_loopback),
        "RELAY_PORT": str(plan.ports.hook_relay),
        "PULL_LISTEN": f"{LOOPBACK}:{plan.ports.sources}",
        "PULL_BASE": f"http://{LOOPBACK}:{plan.ports.sources}/sources",
        "PULL_ALLOW": f"{LOOPBACK}/32",
        "STATE_DIR": str(state_folder(plan)),
    }
