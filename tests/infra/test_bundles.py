"""A function's bundle is all that it has on Lambda: whatever its handler imports must be inside."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from headwater.settings import DatabaseSettings
from infra.bundling import AUTHORITIES, bundle
from infra.config.local_values import LocalValues, local
from tests.infra.test_functions import settings_of
from tests.templates import ROOT

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
RUNTIME = local(LocalValues()).function_runtime

# No site-packages, no repository, no environment. Imports inside functions count, too, for the first call runs them;
# and there is a compiled module for every source, or the cold start pays for it.
IN_A_FRESH_INTERPRETER = """
import ast, importlib, os, sys

bundle, handler = sys.argv[1:]
sys.path.insert(0, bundle)
assert callable(importlib.import_module(handler).handler)

def is_for_the_type_checker(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"

def imports(node):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module
        elif not is_for_the_type_checker(child):
            yield from imports(child)

read = set()
while ours := {name for name in sys.modules if name.startswith(("functions.", "headwater."))} - read:
    for name in ours:
        with open(sys.modules[name].__file__) as source:
            for imported in imports(ast.parse(source.read())):
                importlib.import_module(imported)
    read |= ours

for module in list(sys.modules.values()):
    source = getattr(module, "__file__", None) or ""
    if source.startswith(bundle) and source.endswith(".py") and module.__spec__:
        assert os.path.exists(module.__spec__.cached), source
"""


@pytest.mark.timeout(400)  # the first run installs every function's dependencies
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_imports_from_its_own_bundle_alone(name: str, tmp_path: Path) -> None:
    made = bundle(name, RUNTIME)
    with zipfile.ZipFile(made.archive) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    others = {other.split("/")[1] for other in names if other.startswith("functions/") and other.count("/") > 1}
    assert others <= {name, "__pycache__"}, "a function's bundle holds no other function"
    command = [sys.executable, "-I", "-S", "-c", IN_A_FRESH_INTERPRETER, str(tmp_path), f"functions.{name}.handler"]
    ended = subprocess.run(command, env={}, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.timeout(400)
def test_whom_the_database_is_certified_by_is_in_the_bundles_of_those_who_use_it(tmp_path: Path) -> None:
    held = {}
    for name in ("broadcast_history", "broadcast_sweep"):
        bundle(name, RUNTIME)
        for installed in (ROOT / ".build" / "functions").glob("dependencies-*.zip"):
            Path(tmp_path, installed.name).unlink(missing_ok=True)
            Path(tmp_path, installed.name).symlink_to(installed)
        made = bundle(name, RUNTIME, authorities=b"PEM", build=tmp_path)
        with zipfile.ZipFile(made.archive) as archive:
            held[name] = archive.read(AUTHORITIES) if AUTHORITIES in archive.namelist() else None
    assert held == {"broadcast_history": b"PEM", "broadcast_sweep": None}


def test_those_who_use_the_database_are_those_who_have_its_driver() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    for name in FUNCTIONS:
        asks = issubclass(settings_of(f"functions.{name}.settings"), DatabaseSettings)
        assert ({"include-group": "postgresql"} in groups[name]) == asks, name


@pytest.mark.timeout(400)
def test_an_unchanged_function_is_not_bundled_again() -> None:
    name = "broadcast_sweep"
    first = bundle(name, RUNTIME)
    made_at = first.archive.stat().st_mtime_ns
    assert bundle(name, RUNTIME) == first
    assert first.archive.stat().st_mtime_ns == made_at
