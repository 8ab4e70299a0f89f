"""The media gate of the local edge, run for real in a thread; keys and signatures made by somebody else's code (botocore)."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId
from headwater.errors import DependencyUnavailable
from localrun.media_gate.__main__ import answer
from localrun.media_gate.gate import Gate

PRIVATE_KEYS: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
    "KRSA": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "KOLD": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "KEC": ec.generate_private_key(ec.SECP256R1()),
}
KEYS = {
    key_id: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for key_id, key in PRIVATE_KEYS.items()
}


def signed_query(resource: str, *, seconds: float = 60, key_id: str = "KRSA", canned: bool = False) -> str:
    """The query that botocore signs a URL with; with a custom policy, unless `canned`."""
    key = PRIVATE_KEYS[key_id]

    def sign(message: bytes) -> bytes:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(message, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - CloudFront's choice
        return key.sign(message, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303

    signer = CloudFrontSigner(key_id, sign)
    until = datetime.fromtimestamp(time.time() + seconds, UTC)
    if canned:
        return urlsplit(signer.generate_presigned_url(resource, date_less_than=until)).query
    policy = signer.build_policy(resource, until)
    return urlsplit(signer.generate_presigned_url("https://x/", policy=policy)).query


def signed_cookies(resource: str, *, seconds: float = 60, key_id: str = "KRSA") -> dict[str, str]:
    query = signed_query(resource, seconds=seconds, key_id=key_id)
    return {f"CloudFront-{name}": value for name, value in parse_qsl(query)}


class MediaGate:
    """What the gate knows of streams, and how often it asked. `away`: the hot state does not answer."""

    def __init__(self) -> None:
        self.port = 0
        self.away = False
        self._controls: dict[StreamId, StreamControl] = {}

    def is_now(self, control: StreamControl) -> None:
        self._controls[control.stream_id] = control

    def load(self, stream_id: StreamId) -> StreamControl | None:
        if self.away:
            raise DependencyUnavailable
        return self._controls.get(stream_id)


async def _end_connections() -> None:
    open_ones = asyncio.all_tasks() - {asyncio.current_task()}
    for task in open_ones:
        task.cancel()
    await asyncio.gather(*open_ones, return_exceptions=True)
    await asyncio.sleep(0)  # in which their sockets are closed


@contextmanager
def media_gate(cdn_url: str) -> Iterator[MediaGate]:
    made = MediaGate()
    loop = asyncio.new_event_loop()
    gate = Gate(made, lambda: KEYS, cdn_url)
    server = loop.run_until_complete(asyncio.start_server(functools.partial(answer, gate), "127.0.0.1", 0))
    made.port = server.sockets[0].getsockname()[1]
    running = threading.Thread(target=loop.run_forever)
    running.start()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        running.join()
        server.close()
        loop.run_until_complete(_end_connections())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
