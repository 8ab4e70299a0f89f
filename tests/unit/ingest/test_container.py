"""The image holds what was tested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_image_installs_the_locked_msgspec() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = next(package["version"] for package in lock["package"] if package["name"] == "msgspec")
    pinned = re.findall(r"msgspec==(\S+)", (ROOT / "containers/rtmp-ingest/Dockerfile").read_text())
    assert pinned == [locked]
