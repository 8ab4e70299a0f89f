"""The post office of one machine: what SES is asked to send lands as text in `data/mail`, and goes nowhere.

MiniStack hands every message on by SMTP (RFC 5321); this is as much of a receiver as its one client needs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path

from localrun.plan import LOOPBACK, StackPlan

_LARGEST_MESSAGE = 1 << 20
_UNFIT_FOR_A_FILE = re.compile(r"[^A-Za-z0-9@.+_-]+")
_serial = count(1)


@asynccontextmanager
async def mailbox(plan: StackPlan) -> AsyncIterator[None]:
    """Takes mail until the block ends."""
    folder = plan.data / "mail"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # the links in it open accounts

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            await _receive(reader, writer, folder)
        writer.close()

    server = await asyncio.start_server(talk, LOOPBACK, plan.ports.mail, limit=_LARGEST_MESSAGE)
    async with server:
        yield


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, folder: Path) -> None:
    writer.write(b"220 localhost\r\n")
    while line := await reader.readline():
        verb = line.split(maxsplit=1)[0].upper() if line.strip() else b""
        if verb == b"DATA":
            writer.write(b"354 go on\r\n")
            message = await reader.readuntil(b"\r\n.\r\n")
            _keep(message_from_bytes(_unstuffed(message), policy=policy.default), folder)
        elif verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            return
        writer.write(b"250 ok\r\n")
        await writer.drain()


def _unstuffed(message: bytes) -> bytes:
    """RFC 5321 § 4.5.2: a line that begins with a period was sent with another one before it."""
    return message.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")


def _keep(message: EmailMessage, folder: Path) -> None:
    """As text for people, and as HTML for a browser; sorted by name is sorted by time."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    to = _UNFIT_FOR_A_FILE.sub("-", str(message["To"]))[:80]
    name = f"{stamp}-{next(_serial):04}-{to}"
    for kind, suffix in (("plain", ".txt"), ("html", ".html")):
        part = message.get_body(preferencelist=(kind,))
        if part is None:
            continue
        content = str(part.get_content())
        if kind == "plain":
            content = f"From: {message['From']}\nTo: {message['To']}\nSubject: {message['Subject']}\n\n{content}"
        draft = folder / f".{name}{suffix}"
        draft.write_text(content, encoding="utf-8")
        draft.replace(folder / f"{name}{suffix}")
