"""Stage 4 for tests: a bare nginx-rtmp to publish to, AWS by a moto server, and workers as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import botocore.session
import msgspec

from headwater.adapters.stream_controls import decode_control, encode_control
from headwater.contracts import TranscodeJob, encode
from headwater.domain.broadcast import Broadcast, BroadcastState, PublishSession, SessionRef, StreamControl
from headwater.domain.ids import BroadcastId, StreamId, UserId, new_id
from headwater.media.timeline import Epoch, Segment
from tests.nginx_rtmp import eventually
from tests.ports import free_port, listens
from tests.processes import ended_with_us

ROOT = Path(__file__).parents[1]
BUCKET, STREAMS, LEASES, TIMELINE, BUS = "media", "streams", "leases", "timeline", "headwater"
_NGINX = """
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port};
  application live {{ live on; wait_key off; wait_video off; idle_streams on; drop_idle_publisher 6s; }} }} }}
"""


@contextmanager
def bare_nginx_rtmp(folder: Path) -> Iterator[str]:
    """An nginx-rtmp without hooks that shows players everything at once; its base URL."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port))
    nginx = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: listens(port))
        yield f"rtmp://127.0.0.1:{port}/live"
    finally:
        nginx.terminate()
        nginx.wait()


class SourceNode:
    """An ingest node without hooks: a bare nginx-rtmp to publish to, and the real source server that buffers it."""

    def __init__(self, base: str, port: int, server: subprocess.Popen[bytes]) -> None:
        self.base = base
        self.port = port
        self.server = server
        self._said = self._lines()

    def source(self, name: str) -> str:
        """Have what is published as `name` buffered from its first frame on; where a worker reads it."""
        assert self.server.stdin
        self.server.stdin.write(f"attach {name}\n".encode())
        self.server.stdin.flush()
        self.wait_until_said(f"attached {name}")
        return f"http://127.0.0.1:{self.port}/sources/{name}"

    def wait_until_said(self, line: str) -> None:
        assert any(said == line for said in self._said), line

    def _lines(self) -> Iterator[str]:
        assert self.server.stdout
        for line in self.server.stdout:
            yield line.decode().strip()


@contextmanager
def source_node(folder: Path, **settings: str) -> Iterator[SourceNode]:
    """`settings` are the source server's variables, where they shall not be the usual ones."""
    with bare_nginx_rtmp(folder) as base:
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'containers/rtmp-ingest'}",
            "RTMP_LISTEN": base.split("/")[2],
            "PULL_LISTEN": f"127.0.0.1:{port}",
            "PULL_ALLOW": "127.0.0.0/8",
            **settings,
        }
        with subprocess.Popen(
            [sys.executable, "-m", "rtmp_ingest.source_server"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as server:
            node = SourceNode(base, port, server)
            try:
                node.wait_until_said("ready")
                yield node
            finally:
                server.terminate()


@contextmanager
def published(url: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """FFmpeg publishing in real time what `arguments` (inputs and encoders) say."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-re", *arguments, "-f", "flv", url]
    encoder = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield encoder
    finally:
        encoder.kill()
        encoder.wait()


def picture(size: str = "320x180", rate: int = 30, gop: int = 30, *more: str) -> list[str]:
    return [
        "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}", "-c:v", "libx264", "-preset", "ultrafast",
        "-pix_fmt", "yuv420p", "-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0", "-b:v", "300k", *more,
    ]  # fmt: skip


def picture_and_sound(size: str = "320x180", rate: int = 30, gop: int = 30, *more: str) -> list[str]:
    inputs, encoder = picture(size, rate, gop, *more)[:4], picture(size, rate, gop, *more)[4:]
    return [*inputs, "-f", "lavfi", "-i", "sine=sample_rate=48000", *encoder, "-c:a", "aac", "-ac", "2"]


class Cloud:
    """The stores of a deployment, in a moto server, and what a test looks at in them."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        session = botocore.session.get_session()
        session.set_credentials("testing", "testing")

        def client(service: str) -> Any:
            return session.create_client(service, region_name="eu-west-1", endpoint_url=endpoint)

        self.s3, self.dynamodb, self.sqs, self.events = (client(name) for name in ("s3", "dynamodb", "sqs", "events"))
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        for name, keys in (
            (STREAMS, ["stream_id"]),
            (LEASES, ["broadcast_id"]),
            (TIMELINE, ["broadcast_id", "position"]),
        ):
            self.dynamodb.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": k, "KeyType": t} for k, t in zip(keys, ("HASH", "RANGE"), strict=False)],
                AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in keys],
                BillingMode="PAY_PER_REQUEST",
            )
        self.pulse_queue = self.sqs.create_queue(QueueName="pulse")["QueueUrl"]
        self.events.create_event_bus(Name=BUS)

    def object(self, key: str) -> bytes | None:
        try:
            body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return body

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@contextmanager
def moto_cloud() -> Iterator[Cloud]:
    """A moto server in a process of its own, so that nothing of it is shared with another test."""
    port = free_port()
    code = (
        "import sys, pytest, tests.aws; tests.aws.make_dynamodb_atomic(pytest.MonkeyPatch()); "
        "from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"
    )
    command = ended_with_us([sys.executable, "-c", code, str(port)])
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: listens(port), 30)
        yield Cloud(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()


class Stage:
    """One broadcast of one stream in `cloud`, and the workers on it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.stream_id, self.broadcast_id = StreamId(new_id()), BroadcastId(new_id())
        self.generation = 0
        self.workers: list[subprocess.Popen[bytes]] = []
        now = time.time_ns() // 1_000_000
        broadcast = Broadcast(self.broadcast_id, BroadcastState.STARTING, now, 1, 0, None, public=True)
        self.store(StreamControl(self.stream_id, UserId(new_id()), broadcast=broadcast))

    # --- the control plane's part ---

    def control(self) -> StreamControl:
        item = self.cloud.dynamodb.get_item(
            TableName=STREAMS, Key={"stream_id": {"S": self.stream_id}}, ConsistentRead=True
        )["Item"]
        return decode_control(item["control"]["S"])

    def broadcast(self) -> Broadcast:
        found = self.control().find(self.broadcast_id)
        assert found is not None
        return found

    def store(self, control: StreamControl) -> None:
        item = {
            "stream_id": {"S": control.stream_id},
            "control": {"S": encode_control(control)},
            "version": {"N": str(control.version)},
        }
        self.cloud.dynamodb.put_item(TableName=STREAMS, Item=item)

    def change(self, **fields: Any) -> None:
        control = self.control()
        assert control.broadcast is not None
        broadcast = replace(control.broadcast, **fields)
        self.store(replace(control, broadcast=broadcast, version=control.version + 1))

    def publish(self, pull_url: str) -> None:
        """The next publish session is at `pull_url`."""
        serial = self.broadcast().sessions + 1
        now = time.time_ns() // 1_000_000
        session = PublishSession(SessionRef("node", str(serial), now), serial, pull_url, now, now)
        self.change(session=session, sessions=serial)

    def interrupt(self) -> None:
        self.change(session=None, state=BroadcastState.INTERRUPTED)

    def end(self) -> None:
        self.change(session=None, state=BroadcastState.ENDED)

    def start_worker(
        self,
        *,
        path: str | None = None,
        environment: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
        log_to: IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Ask for a new generation, as the dispatcher does, and start its worker; by the command `under`, if one is given."""
        self.generation += 1
        self.cloud.dynamodb.put_item(
            TableName=LEASES,
            Item={
                "broadcast_id": {"S": self.broadcast_id},
                "state": {"S": "requested"},
                "generation": {"N": str(self.generation)},
                "beats": {"N": "0"},
                "judged_beats": {"N": "0"},
                "judged_at": {"N": "0"},
                "expires_at": {"N": "9999999999"},
            },
        )
        variables = {
            "PATH": path if path is not None else os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'containers/ffmpeg-worker'}",
            **self.cloud.environment,
            "TRANSCODE_JOB": self.job(self.generation),
            "STREAM_TABLE": STREAMS,
            "LEASE_TABLE": LEASES,
            "SEGMENT_TABLE": TIMELINE,
            "MEDIA_BUCKET": BUCKET,
            "EVENT_BUS": BUS,
            "PULSE_QUEUE_URL": self.cloud.pulse_queue,
            **(environment or {}),
        }
        with self.log_path.open("ab") as log:
            worker = subprocess.Popen(
                [*under, sys.executable, "-m", "ffmpeg_worker"],
                env=variables,
                stdout=log_to or log,
                stderr=log_to or log,
                cwd=self.folder,
            )
        self.workers.append(worker)
        return worker

    def job(self, generation: int) -> str:
        return encode(TranscodeJob(stream_id=self.stream_id, broadcast_id=self.broadcast_id, generation=generation))

    # --- what a test looks at ---

    @property
    def log_path(self) -> Path:
        return self.folder / f"{self.broadcast_id}.log"

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    def lease_state(self) -> str:
        item = self.cloud.dynamodb.get_item(TableName=LEASES, Key={"broadcast_id": {"S": self.broadcast_id}})["Item"]
        return str(item["state"]["S"])

    def _rows(self, prefix: str) -> list[Any]:
        found = self.cloud.dynamodb.query(
            TableName=TIMELINE,
            KeyConditionExpression="broadcast_id = :b AND begins_with(#p, :p)",
            ExpressionAttributeNames={"#p": "position"},
            ExpressionAttributeValues={":b": {"S": self.broadcast_id}, ":p": {"S": prefix}},
            ConsistentRead=True,
        )
        return [json.loads(item["body"]["S"]) for item in found["Items"]]

    def segments(self) -> list[Segment]:
        return [msgspec.convert(row, Segment) for row in self._rows("segment#")]

    def epochs(self) -> list[Epoch]:
        return [msgspec.convert(row, Epoch) for row in self._rows("epoch#")]

    def wait_for_segments(self, count: int, seconds: float = 90) -> list[Segment]:
        assert eventually(lambda: len(self.segments()) >= count, seconds), self.log()[-6000:]
        return self.segments()

    def playlist(self, track: str) -> str:
        body = self.cloud.object(f"{self.stream_id}/{self.broadcast_id}/{track}.m3u8")
        return body.decode() if body else ""

    def entrance(self, name: str = "live.m3u8") -> str:
        body = self.cloud.object(f"{self.stream_id}/{name}")
        return body.decode() if body else ""

    def media(self, track: str, *, epoch: int) -> bytes:
        """The init and every stored segment of a track in an epoch, as one playable file."""
        prefix = f"{self.stream_id}/{self.broadcast_id}/{track}/{epoch}-"
        parts = [self.cloud.object(f"{prefix}init.mp4") or b""]
        for segment in self.segments():
            if segment.epoch == epoch and not segment.tracks[track].missing:
                body = self.cloud.object(f"{prefix}{segment.start_ms}.m4s")
                assert body, f"{track} {segment.sequence} is in the timeline, but not in the store"
                parts.append(body)
        return b"".join(parts)

    @contextmanager
    def running(self) -> Iterator[Stage]:
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def decoded_frames(media: bytes) -> list[tuple[float, str]]:
    """(time shown in seconds, picture type or "") of every frame that FFmpeg decodes; fails when it complains."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "frame=pts_time,pict_type", "-of", "json", "-i", "pipe:0"],
        input=media, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert not done.stderr, done.stderr.decode()
    return [(float(f["pts_time"]), f.get("pict_type", "")) for f in json.loads(done.stdout)["frames"]]
