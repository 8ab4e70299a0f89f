"""Templates that infra/review.py has found fine, for whoever asks the same ones before anything has changed."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".build" / "templates"


def kept_templates(stage: str) -> Path | None:
    """The folder of the templates of `stage`, as the sources are now and with the example's settings, if a review found
    them fine."""
    state = state_of_sources()
    folder = KEPT / state / stage
    return folder if state and (KEPT / "fine").is_file() and folder.is_dir() else None


def state_of_sources() -> str:
    """One hash of everything that templates, and what is said of them, are made from."""
    hashed = hashlib.sha256()
    kept = (
        "infra",
        "headwater",
        "functions",
        "web",
        "localstack",
        "containers",
        "migrations",
        "uv.lock",
        "package-lock.json",
    )
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *kept],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    for name in sorted(listed):
        path = ROOT / name
        if path.is_file():
            hashed.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest() if listed else ""
