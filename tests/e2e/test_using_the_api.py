"""The page for those who use the API: its commands are carried out as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.e2e.local_stack import ROOT, LocalStack

PAGE = ROOT / "docs/using-the-api.md"
# A refused call fails the test; whatever still runs at the end is ended.
PREPARED = """set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
curl() { command curl --fail-with-body "$@"; }
"""


def blocks(page: str, language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL))


def test_every_command_of_the_page_does_what_the_page_says(stack: LocalStack, tmp_path: Path) -> None:
    page = PAGE.read_text().replace("http://127.0.0.1:8000", stack.api)
    for name in ("ana", "ben"):  # of this run's own
        page = re.sub(rf"\b{name}\b", f"{name}_{os.getpid()}", page)
    shell, python = blocks(page, "sh"), blocks(page, "python")
    assert stack.api in shell
    assert stack.api in python
    for command, text in (("bash", PREPARED + shell), (".venv/bin/python", python)):
        script = tmp_path / Path(command).name
        script.write_text(text)
        done = subprocess.run(
            ["timeout", "180", command, str(script)],  # with whatever it has started
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
