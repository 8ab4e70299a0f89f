"""`python -m localrun.media_gate`: answers the edge nginx's `auth_request`, one small request after another."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from collections.abc import Mapping
from contextlib import closing, suppress

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from headwater.adapters.secrets import secret
from headwater.adapters.signing_key_ring import decode_keys
from headwater.adapters.stream_controls import StreamControls
from headwater.settings import EnvironmentSettings, load_settings
from localrun.media_gate.gate import Gate
from localrun.plan import LOOPBACK

_LONGEST_HEAD = 64 * 1024


class Settings(EnvironmentSettings, frozen=True, kw_only=True):
    media_gate_port: int
    cdn_url: str
    stream_table: str
    playback_keys_secret: str


@functools.lru_cache(maxsize=16)
def _public_half(private_pem: str) -> str:
    public = load_pem_private_key(private_pem.encode(), password=None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_keys(secret_name: str) -> Mapping[str, str]:
    return {key.kid: _public_half(key.private_pem) for key in decode_keys(secret(secret_name))}


async def answer(gate: Gate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One of nginx's kept-alive connections. A request says all in its headers, and the answer in its status."""
    with closing(writer), suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            headers = {name.lower(): value for name, value in fields.items()}
            verdict = await gate.judge(
                headers.get("x-media-path", ""), headers.get("x-media-query", ""), headers.get("cookie", "")
            )
            writer.write(f"HTTP/1.1 {verdict.value} {verdict.name}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()


async def serve(settings: Settings) -> None:
    gate = Gate(
        StreamControls(settings.stream_table),
        functools.partial(public_keys, settings.playback_keys_secret),
        settings.cdn_url,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = await asyncio.start_server(
        functools.partial(answer, gate), LOOPBACK, settings.media_gate_port, limit=_LONGEST_HEAD, backlog=1024
    )
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where it found credentials and endpoints
    asyncio.run(serve(load_settings(Settings)))
