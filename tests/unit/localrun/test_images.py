"""The images: what a Dockerfile may not do, what `make images` says and asks of Docker, and how a task runs from one."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from localrun import images
from localrun.ecs.container import CannotStart
from localrun.ecs.docker import docker_container
from localrun.plan import PlanError, plan_from

ROOT = Path(__file__).parents[3]
HOST = {
    "PATH": "/usr/bin",
    "HOME": "/root",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_SECRET_ACCESS_KEY": "hidden",
}
DEFINITION: dict[str, Any] = {
    "cpu": "2048",
    "memory": "4096",
    "containerDefinitions": [
        {
            "name": "worker",
            "image": "headwater/ffmpeg-worker",
            "command": ["python", "-m", "ffmpeg_worker"],
            "memory": 4096,
            "stopTimeout": 30,
            "readonlyRootFilesystem": True,
            "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/tmp", "readOnly": False}],
            "environment": [{"name": "MEDIA_BUCKET", "value": "media"}],
        }
    ],
}
OVERRIDES = {
    "cpu": "1024",
    "memory": "2048",
    "containerOverrides": [
        {"name": "worker", "memory": 2048, "environment": [{"name": "TRANSCODE_JOB", "value": '{"generation":1}'}]}
    ],
}


def instructions(name: str) -> list[tuple[str, str]]:
    """Every instruction of a Dockerfile with its arguments, continued lines joined."""
    text = (ROOT / "containers" / name / "Dockerfile").read_text()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


@pytest.mark.parametrize("name", images.IMAGES)
def test_an_image_is_pinned_made_in_stages_and_run_by_nobody(name: str) -> None:
    found = instructions(name)
    [base] = [rest for word, rest in found if word == "ARG"]
    assert re.fullmatch(r"BASE=debian:\d+\.\d+-slim", base), "an exact version; a digest is given with --build-arg"
    stages = [rest for word, rest in found if word == "FROM"]
    assert stages[-1] == "${BASE}", "what builds is not in what runs"
    assert all(re.fullmatch(r"\$\{BASE\} AS \w+", stage) for stage in stages[:-1])
    runs = [rest for word, rest in found[[word for word, _ in found].index("FROM") + 1 :] if word == "RUN"]
    installed = [re.findall(r"--no-install-recommends ([^&]*)", run) for run in runs]
    unpinned = {package for each in installed for line in each for package in line.split() if "=" not in package}
    assert unpinned <= {"ca-certificates", "python3-pip"}, "the first has to be the newest, the second stays behind"
    last = [run for run in runs if "apt-get install" in run][-1]
    assert "/var/lib/apt/lists" in last
    assert "pip" not in last
    for run in runs:
        for by_pip in re.findall(r"pip install ([^&]*)", run):
            assert "--requirement" in by_pip or "==" in by_pip, by_pip
    [user] = [rest for word, rest in found if word == "USER"]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user), "by number, or Kubernetes cannot tell that it is not root"
    words = [word for word, _ in found]
    assert words.index("USER") > words.index("COPY")
    assert {"HEALTHCHECK", "STOPSIGNAL", "VOLUME", "CMD"} <= set(words)
    assert "ADD" not in words
    for word, rest in found:
        if word in ("CMD", "ENTRYPOINT"):
            assert rest.startswith("["), "without a shell, which would not hand signals on"
        assert not re.search(r"amd64|x86_64|arm64|aarch64|linux-gnu", rest), "the same for both architectures"


@pytest.mark.parametrize("name", images.IMAGES)
def test_what_goes_in_is_what_is_let_through(name: str) -> None:
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    for word, rest in instructions(name):
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert source.split("/")[0] in let_through


def test_the_worker_image_installs_the_lock_file_and_nothing_else() -> None:
    [install] = [rest for word, rest in instructions("ffmpeg-worker") if word == "RUN" and "uv export" in rest]
    assert "--frozen --only-group ffmpeg_worker" in install
    assert "--require-hashes" in install
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert "ffmpeg_worker" in groups


def test_both_architectures_are_built_and_each_is_tried_as_fargate_runs_it() -> None:
    assert images.build_argv("ffmpeg-worker", "linux/arm64") == [
        "docker", "buildx", "build", "--load", "--platform", "linux/arm64", "--tag", "headwater/ffmpeg-worker:arm64",
        "--file", "containers/ffmpeg-worker/Dockerfile", ".",
    ]  # fmt: skip
    assert images.trial_argv("rtmp-ingest", "linux/amd64", ("nginx", "-v")) == [
        "docker", "run", "--rm", "--platform", "linux/amd64", "--network", "none", "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "headwater/rtmp-ingest:amd64", "nginx", "-v",
    ]  # fmt: skip


def test_without_docker_make_images_says_so_and_fails(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "localrun.images"]
    environment = {"PATH": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("images: nothing was built, for there is no `docker` on the path.")


def test_a_task_runs_from_its_image_closed_and_sized_and_told_nothing_on_its_command_line() -> None:
    container = docker_container(DEFINITION, OVERRIDES, task_id="abc", environment=HOST)
    assert list(container.argv) == [
        "docker", "run", "--rm", "--name", "headwater-abc", "--network", "host", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--stop-timeout", "30", "--memory", "2048m", "--cpus", "1",
        "--read-only", "--volume", "/tmp", "--env", "AWS_ENDPOINT_URL", "--env", "AWS_SECRET_ACCESS_KEY",
        "--env", "MEDIA_BUCKET", "--env", "TRANSCODE_JOB", "headwater/ffmpeg-worker", "python", "-m", "ffmpeg_worker",
    ]  # fmt: skip
    assert container.environment["TRANSCODE_JOB"] == '{"generation":1}'
    assert container.environment["HOME"] == "/root", "of the Docker client, not of the container"


def test_an_entry_point_comes_before_the_command() -> None:
    [container] = DEFINITION["containerDefinitions"]
    definition = {"containerDefinitions": [{**container, "entryPoint": ["tini", "--"]}]}
    argv = docker_container(definition, {}, task_id="abc", environment={}).argv
    assert argv[argv.index("--entrypoint") + 1] == "tini"
    assert argv[argv.index("headwater/ffmpeg-worker") :] == (
        "headwater/ffmpeg-worker", "--", "python", "-m", "ffmpeg_worker",
    )  # fmt: skip


def test_a_task_that_cannot_run_here_is_refused() -> None:
    [container] = DEFINITION["containerDefinitions"]
    with pytest.raises(CannotStart, match="secrets"):
        docker_container({"containerDefinitions": [{**container, "secrets": [{}]}]}, {}, task_id="a", environment={})
    with pytest.raises(CannotStart, match="exactly one"):
        docker_container({"containerDefinitions": []}, {}, task_id="a", environment={})


def test_how_tasks_run_is_asked_for_by_name() -> None:
    assert not plan_from({}).tasks_from_images
    assert plan_from({"HEADWATER_TASKS": "docker"}).tasks_from_images
    with pytest.raises(PlanError, match="HEADWATER_TASKS"):
        plan_from({"HEADWATER_TASKS": "podman"})
