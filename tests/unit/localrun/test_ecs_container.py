"""A task definition becomes the command, environment and folder of a process, as a container runtime would make it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from localrun.ecs.container import CannotStart, Container, container_from

HOST = {"PATH": "/usr/bin", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


def made(tmp_path: Path, overrides: dict[str, Any] | None = None, **changes: Any) -> Container:
    (tmp_path / "containers" / "ffmpeg-worker").mkdir(parents=True, exist_ok=True)
    container = {
        "name": "worker",
        "image": "registry/headwater/ffmpeg-worker:1",
        "command": ["python", "-m", "ffmpeg_worker"],
        "environment": [{"name": "MEDIA_BUCKET", "value": "media"}],
        **changes,
    }
    definition = {"containerDefinitions": [container]}
    return container_from(definition, overrides or {}, repository=tmp_path, environment=HOST)


def test_the_image_names_the_folder_that_is_on_the_import_path(tmp_path: Path) -> None:
    assert made(tmp_path).environment["PYTHONPATH"] == f"{tmp_path}:{tmp_path / 'containers' / 'ffmpeg-worker'}"


def test_python_is_our_interpreter(tmp_path: Path) -> None:
    assert made(tmp_path).argv == (sys.executable, "-m", "ffmpeg_worker")


def test_overrides_win_over_the_definition_and_the_definition_over_the_host(tmp_path: Path) -> None:
    override = {
        "containerOverrides": [
            {"name": "other", "environment": [{"name": "MEDIA_BUCKET", "value": "not ours"}]},
            {"name": "worker", "environment": [{"name": "TRANSCODE_JOB", "value": "{}"}], "command": ["true"]},
        ]
    }
    container = made(tmp_path, override, environment=[{"name": "AWS_ENDPOINT_URL", "value": "http://elsewhere"}])
    assert container.argv == ("true",)
    assert container.environment["TRANSCODE_JOB"] == "{}"
    assert container.environment["AWS_ENDPOINT_URL"] == "http://elsewhere"
    assert "MEDIA_BUCKET" not in container.environment


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image": "headwater/unknown"}, "CannotPullContainerError"),
        ({"command": []}, "no command"),
        ({"secrets": [{"name": "KEY", "valueFrom": "arn"}]}, "secrets"),
    ],
)
def test_what_cannot_run_here_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(CannotStart, match=reason):
        made(tmp_path, **changes)
