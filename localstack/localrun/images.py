"""`python -m localrun.images`: builds both images with Docker, and tries each: `make images`.

Each is built for this machine, and for the other architecture where Docker can (it needs QEMU for that). A trial runs the
image as Fargate will: read-only, as nobody, without any capability.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence

from localrun.plan import REPOSITORY

IMAGES = ("rtmp-ingest", "ffmpeg-worker")
PLATFORMS = ("linux/arm64", "linux/amd64")
BASE = "debian:12.11-slim"  # of both Dockerfiles
LARGEST_MIB = {"rtmp-ingest": 200, "ffmpeg-worker": 500}
_TRIALS = {
    "rtmp-ingest": (
        ("nginx", "-v"),
        ("python3", "-c", "import rtmp_ingest.node, rtmp_ingest.source_server"),
        ("sh", "-c", "touch /var/lib/headwater/x && ! touch /app/x 2>/dev/null && test $(id -u) = 10001"),
        ("test", "-e", "/usr/lib/nginx/modules/ngx_rtmp_module.so"),
    ),
    "ffmpeg-worker": (
        ("ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=d=1", "-c:v", "libx264",
         "-f", "null", "-"),
        ("python", "-c", "import ffmpeg_worker.wiring, boto3, pynamodb"),
        ("sh", "-c", "touch /tmp/x && ! touch /app/x 2>/dev/null && test $(id -u) = 10002"),
    ),
}  # fmt: skip


def image(name: str, platform: str | None = None) -> str:
    """`headwater/<name>`, of this machine's architecture unless `platform` is given."""
    return f"headwater/{name}" if platform is None else f"headwater/{name}:{platform.rpartition('/')[2]}"


def build_argv(name: str, platform: str) -> list[str]:
    tag = image(name, platform)
    return [
        *("docker", "buildx", "build", "--load", "--platform", platform, "--tag", tag),
        *("--file", f"containers/{name}/Dockerfile", "."),
    ]


def trial_argv(name: str, platform: str, command: Sequence[str]) -> list[str]:
    return [
        *("docker", "run", "--rm", "--platform", platform, "--network", "none", "--read-only"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *(image(name, platform), *command),
    ]


def why_not() -> str | None:
    """Why images cannot be built here; None when they can."""
    if shutil.which("docker") is None:
        return "there is no `docker` on the path"
    asked = subprocess.run(["docker", "version", "--format", "{{.Server.Arch}}"], capture_output=True, check=False)
    if asked.returncode != 0:
        return f"Docker does not answer: {asked.stderr.decode(errors='replace').strip()[:200]}"
    return None


def main() -> int:
    reason = why_not()
    if reason is not None:
        print(
            f"images: nothing was built, for {reason}. `make up` needs none; `cdk deploy` does, or images in a registry."
        )
        return 1
    native = f"linux/{_said('docker', 'version', '--format', '{{.Server.Arch}}')}"
    able = _said("docker", "buildx", "inspect", "--bootstrap")
    for name in IMAGES:
        for platform in PLATFORMS:
            if platform != native and platform not in able:
                print(f"images: {image(name, platform)} is not built: this Docker has no QEMU for {platform}")
                continue
            _run(build_argv(name, platform))
            for command in _TRIALS[name]:
                _run(trial_argv(name, platform, command))
            _measure(name, platform)
            if platform == native:
                _run(["docker", "tag", image(name, platform), image(name)])
    digest = _said("docker", "buildx", "imagetools", "inspect", BASE, "--format", "{{json .Manifest.Digest}}")
    of_base = digest.strip('"') or "(its registry does not say)"
    print(f"images: built from {BASE}@{of_base}; --build-arg BASE=… pins another")
    return 0


def _measure(name: str, platform: str) -> None:
    mebibytes = int(_said("docker", "image", "inspect", "--format", "{{.Size}}", image(name, platform))) / 2**20
    print(f"images: {image(name, platform)} is {mebibytes:.0f} MiB")
    if mebibytes > LARGEST_MIB[name]:
        sys.exit(f"images: {image(name, platform)} is larger than {LARGEST_MIB[name]} MiB")


def _run(argv: list[str]) -> None:
    if subprocess.run(argv, cwd=REPOSITORY, check=False).returncode != 0:
        sys.exit(f"images: failed: {' '.join(argv)}")


def _said(*argv: str) -> str:
    answer = subprocess.run(argv, capture_output=True, check=False)
    return answer.stdout.decode(errors="replace").strip()


if __name__ == "__main__":
    sys.exit(main())
