"""The rules of the house that a machine can check: imports have no side effects, every module says where it stands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT_ROOTS = (ROOT, ROOT / "containers/ffmpeg-worker", ROOT / "containers/rtmp-ingest")
PACKAGES = (
    (ROOT, "headwater"),
    (ROOT, "headwater_client"),
    (ROOT, "functions"),
    (ROOT / "containers/ffmpeg-worker", "ffmpeg_worker"),
    (ROOT / "containers/rtmp-ingest", "rtmp_ingest"),
)


def product_files() -> list[tuple[str, Path]]:
    found = []
    for import_root, package in PACKAGES:
        for path in sorted((import_root / package).rglob("*.py")):
            parts = path.relative_to(import_root).with_suffix("").parts
            if path.name == "__init__.py" and not path.read_text().strip():
                continue  # an empty package marker
            found.append((".".join(parts).removesuffix(".__init__"), path))
    return found


def test_every_product_module_imports_with_an_empty_environment_and_no_network() -> None:
    modules = [name for name, _ in product_files() if not name.endswith("__main__")]
    program = (
        "import importlib, socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a module opened a socket while it was imported')\n"
        "socket.socket.connect = refuse\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
    )
    path = ":".join(str(root) for root in IMPORT_ROOTS)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""


@pytest.mark.parametrize(("name", "path"), product_files())
def test_every_product_module_says_its_place_in_its_docstring(name: str, path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{name} has no module docstring"


def test_the_shared_package_costs_nothing_to_import() -> None:
    assert (ROOT / "headwater/__init__.py").read_text() == ""


def test_handlers_only_adapt() -> None:
    too_long = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / "functions").glob("*/handler.py")
        if len(path.read_text().splitlines()) > 40
    }
    assert not too_long


def test_tests_run_coroutines_without_dropping_the_loop_that_mangum_keeps() -> None:
    """`asyncio.run` would, unclosed, and some other test of the process be told so: see tests/event_loops.py."""
    dropping = "asyncio." + "run("
    found = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if any(line.strip().startswith(dropping) and line != line.lstrip() for line in path.read_text().splitlines())
    ]
    assert not found
