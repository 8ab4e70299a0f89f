"""What each Lambda function costs: CPU seconds to import its handler, against a bare FastAPI + Mangum app in the same run.

Every import runs in a fresh interpreter with compiled bytecode, as the bundles have it; the figure is process CPU time,
the least of several runs, for other processes only ever add to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.local_stack import ROOT

RUNS = 7
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))

_IMPORT = "import time; began = time.process_time(); import {module}; print(time.process_time() - began)"

_BARE_APP = """
from fastapi import FastAPI
from mangum import Mangum
app = FastAPI()
@app.get("/v1/streams/{stream_id}")
def read(stream_id: str) -> dict[str, str]:
    return {"id": stream_id}
handler = Mangum(app, lifespan="off")
"""


@dataclass(frozen=True)
class ImportCost:
    name: str
    cpu_seconds: float


def _run(program: str, environment: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return float(done.stdout.split()[-1])


def measure() -> list[ImportCost]:
    """Import costs of the bare app and of every function, in that order."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bare_app.py").write_text(_BARE_APP)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{folder}",
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
        }
        modules = {"bare FastAPI + Mangum": "bare_app"}
        modules |= {name: f"functions.{name}.handler" for name in FUNCTIONS}
        return [
            ImportCost(name, min(_run(_IMPORT.format(module=module), environment) for _ in range(RUNS)))
            for name, module in modules.items()
        ]
