"""`python -m tests.e2e COMMAND …`: runs the command beside a stack of its own, which several processes of tests share.

They find it by HEADWATER_TEST_STACK.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.conftest import own_stack


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="headwater-e2e-") as folder, own_stack(Path(folder)) as stack:
        return subprocess.run(
            command, env={**os.environ, "HEADWATER_TEST_STACK": str(stack.data)}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
