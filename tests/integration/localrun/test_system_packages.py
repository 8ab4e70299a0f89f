"""What `make` says on a machine whose packages it may not install: the list of them, and who can help."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.templates import ROOT

SETUP = ROOT / "localstack/setup"
ORDINARY_PROGRAMS = ("cat", "grep", "sed", "sh", "tr")


def bare_machine(folder: Path, **programs: str) -> dict[str, str]:
    """An environment with only the ordinary programs and `programs`, each a line of shell. apt-get notes its calls."""
    for name in ORDINARY_PROGRAMS:
        (folder / name).symlink_to(shutil.which(name) or "")
    stand_ins = {"apt-get": f'echo "$@" >>{folder}/apt-called', "node": "echo v20.1.0", "npm": "true", **programs}
    for name, line in stand_ins.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    return {"PATH": str(folder)}


def set_up(environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SETUP / "system-packages", SETUP / "packages.txt"],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("sudo", [{}, {"sudo": "exit 1"}], ids=["no sudo", "a sudo that wants a password"])
def test_neither_root_nor_sudo_is_told_what_is_missing_and_what_to_ask_for(
    sudo: dict[str, str], tmp_path: Path
) -> None:
    have = 'case "$*" in *" nginx") echo ii;; *) exit 1;; esac'
    done = set_up(bare_machine(tmp_path, **{"id": "echo 1000", "dpkg-query": have}, **sudo), tmp_path)
    assert done.returncode == 1
    assert "neither root nor sudo" in done.stdout
    [command] = [line for line in done.stdout.splitlines() if "apt-get install" in line]
    asked_for = set(command.partition("--no-install-recommends")[2].split())
    lines = (SETUP / "packages.txt").read_text().splitlines()
    wanted = {package for line in lines for package in line.partition("#")[0].split()}
    assert asked_for == wanted - {"nginx"}, "all that is missing, and nothing that is there"
    assert not (tmp_path / "apt-called").exists()


def test_where_everything_is_installed_nobody_needs_to_be_root(tmp_path: Path) -> None:
    done = set_up(bare_machine(tmp_path, **{"id": "echo 1000", "dpkg-query": "echo ii"}), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "apt-called").exists()


def test_on_another_distribution_the_packages_are_named(tmp_path: Path) -> None:
    environment = bare_machine(tmp_path, id="echo 0")
    (tmp_path / "apt-get").unlink()
    done = set_up(environment, tmp_path)
    assert done.returncode == 1
    assert "neither Debian nor Ubuntu" in done.stdout
    assert "nginx" in done.stdout
