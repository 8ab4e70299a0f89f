"""Turns `functions/<name>` into the archive that Lambda unpacks: its own dependencies, `headwater/` and itself, compiled.

No Docker: uv resolves from the lock and fetches wheels for the target platform. An archive is named by the hash of what
went into it and kept under `.build/`, so an unchanged function costs a hash; dependencies are kept apart from sources,
so a changed line costs no installation.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.config.errors import ConfigurationError
from infra.config.values import FunctionRuntime

ROOT = Path(__file__).resolve().parent.parent

# AWS services that functions may speak to. botocore describes 400 of them in 18 MB; the others stay at home.
SPOKEN_SERVICES = frozenset(
    {
        "apigatewaymanagementapi",
        "cloudfront",
        "cloudfront-keyvaluestore",
        "dynamodb",
        "ecs",
        "events",
        "s3",
        "secretsmanager",
        "sesv2",
        "sqs",
    }
)

# Where a bundle has the certificates of those who may have signed the database's, as PEM: with everything that speaks to it.
AUTHORITIES = "certificates/database.pem"

# Folders beside functions/<name> and headwater/ that one function needs.
EXTRA_SOURCES = {"schema_migration": ("migrations",)}

_DRIVER = re.compile(r"^psycopg\b", re.MULTILINE)  # of PostgreSQL, in a requirements file
_UNUSED_FOLDERS = frozenset({"tests", "test", "__pycache__", "bin"})
_UNUSED_SUFFIXES = frozenset({".pyc", ".pyi", ".pyx", ".pxd", ".c", ".h"})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time an archive can hold: the same input makes the same bytes


@dataclass(frozen=True)
class Bundle:
    """An archive ready to upload, and the hash of everything it was made from."""

    archive: Path
    asset_hash: str


class Bundler(Protocol):
    def __call__(self, function: str, runtime: FunctionRuntime) -> Bundle: ...


def bundle(
    function: str,
    runtime: FunctionRuntime,
    *,
    authorities: bytes | None = None,
    build: Path = ROOT / ".build" / "functions",
) -> Bundle:
    """The archive of `functions/<function>` for `runtime`; made only when an input changed. `authorities` go to those that use
    the database.

    Raises ConfigurationError when the function, its dependency group or an interpreter is missing.
    """
    if not (ROOT / "functions" / function / "handler.py").is_file():
        raise ConfigurationError(f"functions/{function}/handler.py does not exist, so there is nothing to deploy")
    requirements = _locked_requirements(function)
    target = f"py{runtime.python.replace('.', '')}-{runtime.architecture}"
    recipe = Path(__file__).read_bytes()
    dependencies_hash = _digest([recipe, target.encode(), requirements.encode()])
    sources = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in _sources(function)}
    if authorities is not None and _DRIVER.search(requirements):
        sources[AUTHORITIES] = authorities
    asset_hash = _digest(
        [dependencies_hash.encode(), *(part for name in sorted(sources) for part in (name.encode(), sources[name]))]
    )
    archive = build / f"{function}-{target}-{asset_hash[:16]}.zip"
    if not archive.is_file():
        started = time.monotonic()
        build.mkdir(parents=True, exist_ok=True)
        dependencies = _dependencies(
            requirements, runtime, build / f"dependencies-{target}-{dependencies_hash[:16]}.zip"
        )
        with tempfile.TemporaryDirectory(dir=build) as scratch:
            staged = Path(scratch) / "staged"
            for name, content in sources.items():
                copy = staged / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
            _compile(staged, runtime)
            unfinished = Path(scratch) / "bundle.zip"
            shutil.copyfile(dependencies, unfinished)
            _append(unfinished, staged)
            for outdated in build.glob(f"{function}-{target}-*.zip"):
                outdated.unlink(missing_ok=True)
            unfinished.replace(archive)
        _say(f"{function}: {archive.stat().st_size / 1e6:.1f} MB in {time.monotonic() - started:.1f} s")
    return Bundle(archive, asset_hash)


def empty_bundle(function: str, runtime: FunctionRuntime, *, build: Path = ROOT / ".build" / "functions") -> Bundle:
    """An archive that runs nothing, for templates that are read and not deployed: made without uv, network or interpreter."""
    archive = build / f"{function}-empty-{runtime.architecture}.zip"
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as scratch:
        unfinished = Path(scratch) / "bundle.zip"
        with zipfile.ZipFile(unfinished, "w") as opened:
            opened.writestr(zipfile.ZipInfo("functions/__init__.py", _EPOCH), "")
        unfinished.replace(archive)  # at once, for another process may be reading it
    return Bundle(archive, function)


def bundle_all(runtime: FunctionRuntime, *, authorities: bytes | None) -> None:
    """Make the archives of every function, as many at a time as there are processors, for `bundle` to find."""
    functions = sorted(handler.parent.name for handler in (ROOT / "functions").glob("*/handler.py"))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        for _ in threads.map(lambda function: bundle(function, runtime, authorities=authorities), functions):
            pass


def _locked_requirements(function: str) -> str:
    """What the function's dependency group locks, with hashes, as a requirements file."""
    export = ["uv", "export", "--frozen", "--quiet", "--no-header", "--no-annotate", "--only-group", function]
    return _run(export, f"uv.lock has no usable group {function!r}")


def _sources(function: str) -> Iterator[Path]:
    yield ROOT / "functions" / "__init__.py"
    for folder in ("headwater", f"functions/{function}", *EXTRA_SOURCES.get(function, ())):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _dependencies(requirements: str, runtime: FunctionRuntime, archive: Path) -> Path:
    """The archive of compiled third-party packages; functions with the same requirements share one."""
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other threads, and other processes: a deployment beside a test
        if not archive.is_file():
            _install(requirements, runtime, archive)
    return archive


def _install(requirements: str, runtime: FunctionRuntime, archive: Path) -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text(requirements, encoding="utf-8")
        packages = Path(scratch) / "packages"
        count = sum(1 for line in requirements.splitlines() if line and not line.startswith((" ", "#")))
        _say(f"installing {count} packages for Python {runtime.python} on {runtime.architecture} …")
        install = ["uv", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
        install += ["--target", str(packages), "--requirement", str(listed)]
        if runtime.wheel_platform is None:
            install += ["--python", sys.executable]
        else:
            install += ["--python-platform", runtime.wheel_platform, "--python-version", runtime.python]
        _run(install, "the locked wheels could not be installed")
        _strip(packages)
        _compile(packages, runtime)
        unfinished = Path(scratch) / "dependencies.zip"
        _append(unfinished, packages)
        unfinished.replace(archive)
    _say(f"installed {count} packages in {time.monotonic() - started:.1f} s")


def _strip(packages: Path) -> None:
    """Take out what no function ever reads: tests, stubs, C sources, scripts, descriptions of services nobody calls."""
    for folder, folders, files in os.walk(packages):
        for name in [each for each in folders if each in _UNUSED_FOLDERS]:
            shutil.rmtree(Path(folder, name))
            folders.remove(name)
        for name in files:
            if Path(name).suffix in _UNUSED_SUFFIXES or (name == "RECORD" and folder.endswith(".dist-info")):
                Path(folder, name).unlink()
    described = packages / "botocore" / "data"
    if described.is_dir():
        for service in described.iterdir():
            if service.is_dir() and service.name not in SPOKEN_SERVICES:
                shutil.rmtree(service)


def _compile(folder: Path, runtime: FunctionRuntime) -> None:
    """Byte-compile with unchecked hashes: Lambda keeps no modification times, and the sources never change there."""
    interpreter = sys.executable
    if runtime.wheel_platform is not None:
        interpreter = _run(
            ["uv", "python", "find", "--no-project", runtime.python],
            f"bundles for AWS are compiled by Python {runtime.python}; get it with `uv python install {runtime.python}`",
        ).strip()
    command = [interpreter, "-m", "compileall", "-qq", "-s", str(folder), "--invalidation-mode", "unchecked-hash"]
    # Not checked: some packages carry templates that are no Python, and they stay as they are.
    subprocess.run([*command, str(folder)], check=False, capture_output=True)


def _append(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                opened.writestr(entry, path.read_bytes())


def _run(command: Sequence[str], failure: str) -> str:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise ConfigurationError(f"{failure}\n{ended.stderr.strip()}")
    return ended.stdout


def _digest(parts: Sequence[bytes]) -> str:
    """One hash of all parts; each is preceded by its length, so that no two lists of parts look alike."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.hexdigest()


def _say(progress: str) -> None:
    print(f"bundling: {progress}", file=sys.stderr, flush=True)  # noqa: T201
