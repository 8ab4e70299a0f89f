"""The chat client of the web pages keeps its promises: its own tests pass under Node."""

from __future__ import annotations

import subprocess
from pathlib import Path

TESTS = Path(__file__).with_name("chat-client.test.mjs")


def test_the_chat_client_loses_doubles_and_reorders_nothing() -> None:
    done = subprocess.run(["node", "--test", str(TESTS)], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
