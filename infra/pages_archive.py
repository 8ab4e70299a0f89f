"""The files of the pages as one archive: web/ as it is, and of the packages in node_modules what pages load at `/vendor/`."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from infra.bundling import ROOT, Bundle
from infra.config.errors import ConfigurationError

# By their globs; localstack/edge/nginx.conf leads to the same packages.
VENDORED = (
    "hls.js/dist/hls.min.mjs",
    "htm/preact/standalone.module.js",
    "media-chrome/dist/**/*.js",
    "shaka-player/dist/shaka-player.dash-es2021.js",
)
_NOT_LOADED = ("media-chrome/dist/cjs/", "media-chrome/dist/iife/", "media-chrome/dist/react/")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same bytes


def pages_archive(*, build: Path = ROOT / ".build" / "pages") -> Bundle:
    """Raises ConfigurationError when a package is not installed."""
    files = dict(_files())
    hashed = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = path.read_bytes()
        hashed.update(f"{len(name)} {name} {len(content)} ".encode() + content)
    archive = build / f"pages-{hashed.hexdigest()[:16]}.zip"
    if not archive.is_file():
        build.mkdir(parents=True, exist_ok=True)
        unfinished = archive.with_suffix(f".{id(files)}")
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, path in sorted(files.items()):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                opened.writestr(entry, path.read_bytes())
        unfinished.replace(archive)
    return Bundle(archive, hashed.hexdigest())


def _files() -> Iterator[tuple[str, Path]]:
    for path in (ROOT / "web").rglob("*"):
        if path.is_file():
            yield path.relative_to(ROOT / "web").as_posix(), path
    modules = ROOT / "node_modules"
    for pattern in VENDORED:
        found = [path for path in modules.glob(pattern) if path.is_file()]
        if not found:
            raise ConfigurationError(
                f"delivery: node_modules/{pattern} is not there; `npm ci` installs what pages load"
            )
        for path in found:
            name = path.relative_to(modules).as_posix()
            if not name.startswith(_NOT_LOADED):
                yield f"vendor/{name}", path
