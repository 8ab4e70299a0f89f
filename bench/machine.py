"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, str]:
    processors = Path("/proc/cpuinfo").read_text().split("model name")
    model = processors[1].split("\n")[0].lstrip("\t :") if len(processors) > 1 else platform.machine()
    memory_kib = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    packages = ("fastapi", "mangum", "boto3", "pynamodb", "playwright")
    return {
        "machine": f"{os.cpu_count()} cores, {model}, {memory_kib / 2**20:.0f} GiB",
        "system": f"{_first_line('ffmpeg', '-version').split(' Copyright')[0]}, {_first_line('nginx', '-v')}, "
        f"{_first_line('chromium', '--version')}",
        "Python": f"{platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in packages),
    }


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return (done.stdout + done.stderr).splitlines()[0].strip()
