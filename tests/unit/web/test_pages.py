"""What the web pages' modules do without a browser: their own tests pass under Node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TESTS = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_what_the_pages_rely_on_holds(path: Path) -> None:
    done = subprocess.run(["node", "--test", str(path)], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
