"""CPU and memory of the worker, its whole process tree, against bare FFmpeg that makes the same ladder of the same source."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.figures import Figure, Section, Table
from tests.worker_stage import Cloud, Stage, moto_cloud, source_node

WARM_UP_SECONDS, MEASURED_SECONDS = 6.0, 20.0
LIMIT = 1.05
_TICKS = os.sysconf("SC_CLK_TCK")
_X264 = "rc-lookahead=0:sync-lookahead=0:sliced-threads=1:mbtree=0:scenecut=0"
_LADDER = (
    (1080, "1920:1080", 5_000_000),
    (720, "1280:720", 2_800_000),
    (480, "854:480", 1_400_000),
    (360, "640:360", 800_000),
)


@dataclass(frozen=True)
class Case:
    """`bits_per_second` is the source's; above 1.65 times its rung's it may not be copied."""

    name: str
    height: int
    bits_per_second: int
    copied: bool

    @property
    def ladder(self) -> tuple[tuple[int, str, int], ...]:
        return tuple(rung for rung in _LADDER if rung[0] <= self.height)


CASES = (
    Case("1080p copied, 3 rungs encoded", 1080, 4_500_000, copied=True),
    Case("720p, all 3 rungs encoded", 720, 6_000_000, copied=False),
)


@dataclass(frozen=True)
class Cost:
    """CPU seconds per second of media while it runs, and memory in MiB (each shared page counted once) at the end."""

    cpu: float
    memory: float
    of_python: float  # the part of `cpu` that is not FFmpeg


def run(rounds: int = 3) -> Section:
    figures: list[Figure] = []
    shares: list[Sequence[str]] = []
    with tempfile.TemporaryDirectory() as name, moto_cloud() as cloud:
        folder = Path(name)
        for case in CASES:
            source = _source(folder, case)
            ours: list[Cost] = []
            theirs: list[Cost] = []
            for number in range(rounds):
                at = folder / f"{case.bits_per_second}-{number}"
                at.mkdir()
                # The worker is to measure what is live, not how fast it takes a minute that has passed already.
                with source_node(at, SOURCE_BUFFER_SECONDS="2") as node:
                    url = node.source("s")
                    with _published(source, f"{node.base}/s"):
                        if number % 2:  # taking turns at being first, for a machine's speed drifts
                            ours.append(_worker(cloud, url, at, case))
                        theirs.append(_bare_ffmpeg(case, f"{node.base}/s", at))
                        if not number % 2:
                            ours.append(_worker(cloud, url, at, case))
            figures += _figures(case, ours, theirs)
            python, total = min(c.of_python for c in ours), min(c.cpu for c in ours)
            shares.append([case.name, f"{1000 * python:.1f} ms", f"{python / total:.1%}"])
    method = (
        "H.264 at 30 pictures a second and AAC, published in real time over RTMP to an nginx-rtmp from which both pull, one "
        f"after the other. CPU is user and system time of all their processes for {MEASURED_SECONDS:.0f} s after "
        f"{WARM_UP_SECONDS:.0f} s, per second of media; memory is PSS. Bare FFmpeg has the same rungs and x264 options and "
        "writes fMP4 HLS with its own muxer to a disk; the worker also makes thumbnails, uploads to S3 over HTTP (a moto "
        "server) and keeps its timeline and lease."
    )
    table = Table(
        title="Of it, the worker's Python (FLV, packaging, uploads):",
        head=("", "CPU per second of media", "share"),
        rows=shares,
    )
    return Section(
        title="Worker",
        taken_on=date.today().isoformat(),  # noqa: DTZ011
        method=method,
        figures=figures,
        tables=[table],
    )


def _figures(case: Case, ours: Sequence[Cost], theirs: Sequence[Cost]) -> Iterator[Figure]:
    yield Figure(
        name=f"worker CPU per second of media, {case.name}",
        unit="s",
        ours=[cost.cpu for cost in ours],
        peer_name="bare FFmpeg",
        peer=[cost.cpu for cost in theirs],
        most_of_peer=LIMIT,
    )
    yield Figure(
        name=f"worker memory, {case.name}",
        unit="MiB",
        ours=[cost.memory for cost in ours],
        peer_name="bare FFmpeg",
        peer=[cost.memory for cost in theirs],
    )


def _source(folder: Path, case: Case) -> Path:
    """Ten seconds, to be played over and over: moving shapes under fresh noise, so that bits are really spent."""
    path = folder / f"{case.bits_per_second}.flv"
    rate, size = str(case.bits_per_second), case.ladder[0][1].replace(":", "x")
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30,noise=alls=8:allf=t"]
    command += ["-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "10", "-c:v", "libx264", "-preset", "superfast"]
    command += ["-pix_fmt", "yuv420p", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-bf", "0"]
    command += ["-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-c:a", "aac", "-b:a", "128k", "-ac", "2", str(path)]
    subprocess.run(command, check=True)
    return path


@contextmanager
def _published(source: Path, url: str) -> Iterator[None]:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(source)]
    encoder = subprocess.Popen([*command, "-c", "copy", "-f", "flv", url], stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield
    finally:
        encoder.kill()
        encoder.wait()


def _worker(cloud: Cloud, url: str, folder: Path, case: Case) -> Cost:
    with Stage(cloud, folder).running() as stage:
        stage.publish(url)
        cost = _measure(stage.start_worker().pid)
        epochs, segments = stage.epochs(), stage.segments()
        gaps = any(part.missing for segment in segments for part in segment.tracks.values())
        tracks = [len(epoch.tracks) for epoch in epochs]
        if tracks != [len(case.ladder) + 1] or len(segments) < _fewest_segments() or gaps:
            raise RuntimeError(f"the worker did not do its work:\n{stage.log()[-3000:]}")
        if f'"copies":{json.dumps([f"{case.height}p"] if case.copied else [])}' not in stage.log():
            raise RuntimeError(f"the worker made another ladder than {case.name}")
        stage.end()
    return cost


def _bare_ffmpeg(case: Case, url: str, folder: Path) -> Cost:
    (folder / "hls").mkdir()
    encoded = case.ladder[1:] if case.copied else case.ladder
    scaled = ";".join(f"[in{n}]scale={size}:flags=bicubic[v{n}]" for n, (_, size, _) in enumerate(encoded))
    split = f"[0:v:0]split={len(encoded)}{''.join(f'[in{n}]' for n in range(len(encoded)))}"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", url, "-filter_complex", f"{split};{scaled}"]
    if case.copied:
        command += ["-map", "0:v:0", "-c:v:0", "copy"]
    for number, (_, _, rate) in enumerate(encoded):
        at = number + (1 if case.copied else 0)
        command += ["-map", f"[v{number}]", f"-c:v:{at}", "libx264", f"-b:v:{at}", str(rate)]
        command += [f"-maxrate:v:{at}", str(round(rate * 1.1)), f"-bufsize:v:{at}", str(rate)]
        command += [f"-preset:v:{at}", "veryfast", f"-profile:v:{at}", "high", f"-bf:v:{at}", "0", f"-g:v:{at}", "9999"]
        command += [f"-x264-params:v:{at}", _X264, f"-force_key_frames:v:{at}", "source"]
    command += ["-map", "0:a:0", "-c:a", "copy", "-f", "hls", "-hls_time", "2"]
    command += ["-hls_segment_type", "fmp4", "-hls_list_size", "30", "-hls_flags", "independent_segments"]
    command += ["-master_pl_name", "live.m3u8", "-hls_fmp4_init_filename", "init.mp4"]
    videos = [f"v:{number},agroup:a" for number in range(len(case.ladder))]
    command += ["-var_stream_map", " ".join([*videos, "a:0,agroup:a"])]
    command += ["-hls_segment_filename", str(folder / "hls/%v-%d.m4s"), str(folder / "hls/%v.m3u8")]
    transcoder = subprocess.Popen(command)
    try:
        cost = _measure(transcoder.pid)
        if len(list((folder / "hls").glob("*.m4s"))) < (len(case.ladder) + 1) * _fewest_segments():
            raise RuntimeError("bare FFmpeg did not do its work")
    finally:
        transcoder.terminate()
        transcoder.wait()
    return cost


def _fewest_segments() -> int:
    """All of 2 s but for the time that a join, and the last segment, may take."""
    return round((WARM_UP_SECONDS + MEASURED_SECONDS) / 2) - 5


def _measure(pid: int) -> Cost:
    time.sleep(WARM_UP_SECONDS)
    began, before = time.monotonic(), _cpu_seconds(pid)
    time.sleep(MEASURED_SECONDS)
    after, passed = _cpu_seconds(pid), time.monotonic() - began
    used = {name: after[name] - before.get(name, 0.0) for name in after}
    of_python = sum(seconds for name, seconds in used.items() if name != "ffmpeg") / passed
    return Cost(sum(used.values()) / passed, _memory_mib(pid), of_python)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


def _cpu_seconds(pid: int) -> dict[str, float]:
    """User and system time so far of every process of the tree, by its name; also of its children that have ended."""
    used: dict[str, float] = {}
    for each in _tree(pid):
        name, _, rest = Path(f"/proc/{each}/stat").read_text().partition("(")[2].rpartition(") ")
        ticks = sum(int(field) for field in rest.split()[11:15])  # utime, stime, cutime, cstime
        used[name] = used.get(name, 0.0) + ticks / _TICKS
    return used


def _memory_mib(pid: int) -> float:
    kib = 0
    for each in _tree(pid):
        lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024
