"""Stages 1 and 4 · a task's image: out of a registry, or built from this repository when it is deployed.

Building needs Docker where `cdk deploy` runs, and nothing at synthesis. What goes into the image is what .dockerignore lets
through, and that is what its hash is made of.
"""

from __future__ import annotations

from pathlib import Path

from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs

ROOT = Path(__file__).resolve().parents[2]


def container_image(name: str, given: str | None) -> ecs.ContainerImage:
    """`given`, or the image of containers/`name` for arm64."""
    if given is not None:
        return ecs.ContainerImage.from_registry(given)
    return ecs.ContainerImage.from_asset(
        str(ROOT), file=f"containers/{name}/Dockerfile", platform=assets.Platform.LINUX_ARM64
    )
