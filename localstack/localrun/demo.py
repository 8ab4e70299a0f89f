"""`make demo`: the stack, a streamer made through the public API, and a synthetic broadcast to watch."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from localrun.console import Console
from localrun.ecs_service import listens
from localrun.plan import StackPlan
from localrun.processes import Processes, Program, ServiceFailed, base_environment
from localrun.readiness import wait_until
from localrun.stack import running_stack

_FRAME_RATE = 30
_KEYFRAME_SECONDS = 2
_PLAYS_WITHIN_SECONDS = 60.0
_INGEST_WITHIN_SECONDS = 150.0
_FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf")


async def run(plan: StackPlan, console: Console) -> None:
    """Runs until cancelled."""
    async with running_stack(plan, console) as processes:
        console.progress("demo", "creating the demo streamer")
        async with httpx.AsyncClient(base_url=f"{plan.api_url}/v1", timeout=30) as api:
            stream, ingest = await _stream(plan, api)
            await _broadcast(plan, console, processes, api, stream, ingest)


async def _broadcast(
    plan: StackPlan,
    console: Console,
    processes: Processes,
    api: httpx.AsyncClient,
    stream: dict[str, Any],
    ingest: dict[str, Any],
) -> None:
    folder = plan.run / "demo"
    folder.mkdir(exist_ok=True)
    encoder = Program(
        name="encoder",
        argv=encoder_command(ingest["rtmp_url"], ingest["stream_key"]),
        env=base_environment(),
        cwd=folder,
        stop_seconds=3.0,
        restarts=True,
    )
    async with processes.running(encoder):
        console.progress("demo", "publishing; waiting for the first picture")
        playlist = f"{plan.cdn_url}/{stream['id']}/live.m3u8"

        async def plays() -> bool:
            with suppress(httpx.TransportError):
                return (await api.get(playlist)).status_code == 200
            return False

        started = time.monotonic()
        await wait_until(plays, within_seconds=_PLAYS_WITHIN_SECONDS, every_seconds=0.1, what="the demo broadcast")
        console.say("demo", f"playing {time.monotonic() - started:.1f} s after the encoder started")
        console.plain(
            f"\n  Watch   {plan.cdn_url}/watch/{stream['id']}\n  HLS     {playlist}\n"
            f"  API     {plan.api_url}/v1/docs\n  Logs    {plan.logs}\n\n  Ctrl-C stops everything.\n"
        )
        await asyncio.Event().wait()


async def _stream(plan: StackPlan, api: httpx.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """The demo streamer's stream and where to publish to; the streamer is kept, so that the URL stays the same."""
    remembered = plan.data / "demo.json"
    if not remembered.exists():
        suffix = secrets.token_hex(3)
        account = {
            "username": f"demo_{suffix}",
            "email": f"demo_{suffix}@example.com",
            "password": secrets.token_urlsafe(18),
        }
        signed_in = _json(await api.post("/auth/register", json=account))
        remembered.touch(mode=0o600)
        remembered.write_text(json.dumps(account))
    else:
        account = json.loads(remembered.read_text())
        signed_in = _json(
            await api.post("/auth/login", json={"login": account["username"], "password": account["password"]})
        )
    api.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
    if "stream_id" not in account:
        made = {"title": "Test card with a clock", "description": "A synthetic broadcast.", "category": "demo"}
        account["stream_id"] = _json(await api.post("/streams", json=made))["id"]
        remembered.write_text(json.dumps(account))
    stream = _json(await api.get(f"/streams/{account['stream_id']}"))
    return stream, await _open_ingest(api, f"/streams/{account['stream_id']}/ingest/open")


async def _open_ingest(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Where to publish, once something listens there. A node on demand takes a few seconds; and of one that ended with an
    earlier stack, which was killed, it is known after less than a minute."""
    opened: dict[str, Any] = {}

    async def answers() -> bool:
        opened.update(_json(await api.post(path)))
        return opened["state"] == "open" and await listens(urlsplit(opened["rtmp_url"]).port or 1935)

    await wait_until(answers, within_seconds=_INGEST_WITHIN_SECONDS, every_seconds=0.5, what="an ingest node")
    return opened


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise ServiceFailed(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}"
        )
    body: dict[str, Any] = answer.json()
    return body


def encoder_command(rtmp_url: str, stream_key: str) -> list[str]:
    """A 720p30 test card with the wall clock burnt in and a quiet tone, a keyframe every two seconds, for ever.

    The key is no part of the URL, which FFmpeg prints when it cannot connect.
    """
    clock = (
        f"drawtext=fontfile={_FONT}:text='%{{localtime}}':fontsize=64:fontcolor=white"
        ":box=1:boxcolor=black@0.6:boxborderw=16:x=(w-tw)/2:y=h-140"
    )
    return [
        "ffmpeg",
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "warning",
        "-re",
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=size=1280x720:rate={_FRAME_RATE}",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=330:beep_factor=4:sample_rate=48000",
        *(["-vf", clock] if _FONT.exists() else []),
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-tune",
        "zerolatency",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "2500k",
        "-maxrate",
        "2750k",
        "-bufsize",
        "2500k",
        "-g",
        str(_FRAME_RATE * _KEYFRAME_SECONDS),
        "-keyint_min",
        str(_FRAME_RATE * _KEYFRAME_SECONDS),
        "-sc_threshold",
        "0",
        "-c:a",
        "aac",
        "-b:a",
        "128k",
        "-ac",
        "2",
        "-af",
        "volume=0.1",
        "-f",
        "flv",
        "-rtmp_playpath",
        stream_key,
        rtmp_url,
    ]
