"""Turns a container definition and its overrides into the command, environment and folder of a process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_STOP_TIMEOUT_SECONDS = 30.0  # what ECS uses where the definition says nothing


class CannotStart(Exception):
    """The container cannot run here. The message becomes the task's stopped reason."""


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    image: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]


def container_from(
    definition: Mapping[str, Any], overrides: Mapping[str, Any], *, repository: Path, environment: Mapping[str, str]
) -> Container:
    """The essential container of a task definition, ready to run. `environment` is what the host adds underneath.

    An image `…/name:tag` stands for the folder `containers/name` of the repository. Raises CannotStart.
    """
    container = only_container(definition)
    override = override_of(container, overrides)
    folder = repository / "containers" / container["image"].rpartition("/")[2].partition(":")[0]
    if not folder.is_dir():
        raise CannotStart(f"CannotPullContainerError: there is no folder {folder} for the image {container['image']}")
    argv = [*container.get("entryPoint", []), *(override.get("command") or container.get("command") or [])]
    if not argv:
        raise CannotStart("CannotStartContainerError: the container has no command")
    if argv[0] in ("python", "python3"):
        argv[0] = sys.executable
    return Container(
        name=container["name"],
        image=container["image"],
        argv=tuple(argv),
        environment={
            **environment,
            "PYTHONPATH": f"{repository}:{folder}",
            "PYTHONUNBUFFERED": "1",
            **variables(container.get("environment", [])),
            **variables(override.get("environment", [])),
        },
    )


def stop_timeout_seconds(definition: Mapping[str, Any]) -> float:
    containers = definition.get("containerDefinitions") or [{}]
    return float(containers[0].get("stopTimeout") or DEFAULT_STOP_TIMEOUT_SECONDS)


def only_container(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises CannotStart for a task that cannot run here."""
    containers = definition.get("containerDefinitions") or []
    if len(containers) != 1:
        raise CannotStart("CannotStartContainerError: exactly one container per task can run here")
    container: Mapping[str, Any] = containers[0]
    if container.get("secrets"):
        raise CannotStart("ResourceInitializationError: container secrets are not resolved here; pass the secret's ARN")
    return container


def override_of(container: Mapping[str, Any], overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((each for each in overrides.get("containerOverrides", []) if each.get("name") == container["name"]), {})


def variables(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in pairs}
