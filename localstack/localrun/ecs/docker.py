"""HEADWATER_TASKS=docker: a task runs from its image, as Fargate runs it, instead of as a process of this checkout.

The container shares the host's network, for everything that a task speaks to is on loopback here. Values go by the client's
own environment, so that none is on a command line.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from localrun.ecs.container import Container, only_container, override_of, variables

STOP_SECONDS = 10


def container_name(task_id: str) -> str:
    return f"headwater-{task_id}"


def docker_container(
    definition: Mapping[str, Any], overrides: Mapping[str, Any], *, task_id: str, environment: Mapping[str, str]
) -> Container:
    """The essential container of a task definition, as the `docker run` that runs it. Of `environment`, what the host adds
    underneath, the container is told what is AWS's; the rest is for the Docker client. Raises CannotStart."""
    container = only_container(definition)
    override = override_of(container, overrides)
    told = {
        **{name: value for name, value in environment.items() if name.startswith("AWS_")},
        **variables(container.get("environment", [])),
        **variables(override.get("environment", [])),
    }
    memory = override.get("memory") or overrides.get("memory") or container.get("memory") or definition.get("memory")
    cpu = overrides.get("cpu") or definition.get("cpu")
    argv = [
        *("docker", "run", "--rm", "--name", container_name(task_id), "--network", "host"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--stop-timeout", str(int(container.get("stopTimeout") or 30))),
        *(("--memory", f"{int(memory)}m") if memory else ()),
        *(("--cpus", f"{int(cpu) / 1024:g}") if cpu else ()),
        *(("--read-only",) if container.get("readonlyRootFilesystem") else ()),
        *(part for each in container.get("mountPoints", []) for part in ("--volume", each["containerPath"])),
        *(part for name in sorted(told) for part in ("--env", name)),
        *(("--entrypoint", container["entryPoint"][0]) if container.get("entryPoint") else ()),
        container["image"],
        *container.get("entryPoint", [])[1:],
        *(override.get("command") or container.get("command") or []),
    ]
    return Container(
        name=container["name"], image=container["image"], argv=tuple(argv), environment={**environment, **told}
    )


def remove_container(task_id: str) -> None:
    """Whatever is left of it: killing the client that started it does not end a container."""
    try:
        subprocess.run(
            ["docker", "rm", "--force", container_name(task_id)],
            capture_output=True,
            check=False,
            timeout=STOP_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
