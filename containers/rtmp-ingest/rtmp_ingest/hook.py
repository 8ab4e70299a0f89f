"""Stage 1 · one hook of nginx-rtmp, as little of it as the relay must understand; the body goes on byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

MAX_BODY_BYTES = 8_192  # nginx-rtmp cuts each field; the API takes no more
_FIELD = re.compile(rb"(?:^|&)([a-z]+)=([^&]*)")


@dataclass(frozen=True)
class Hook:
    """`occurred_at` is when nginx fired it, Unix milliseconds of this machine. The body holds the stream key."""

    body: bytes = field(repr=False)
    occurred_at: int

    @cached_property
    def _fields(self) -> dict[bytes, bytes]:
        """The first value of each field: nginx writes its own first, and what a publisher appended last."""
        fields: dict[bytes, bytes] = {}
        for name, value in _FIELD.findall(self.body):
            fields.setdefault(name, value)
        return fields

    @property
    def client_id(self) -> str:
        """The connection's serial number, unique for one run of nginx; empty when nginx did not say."""
        client_id = self._fields.get(b"clientid", b"")
        return client_id.decode() if re.fullmatch(rb"[0-9]{1,20}", client_id) else ""

    @property
    def address(self) -> str:
        address = self._fields.get(b"addr", b"")
        return address.decode() if re.fullmatch(rb"[0-9a-fA-F.:]{1,45}", address) else "unknown"

    @property
    def is_clean(self) -> bool:
        """nginx escapes every field but the publisher's own query, which it appends as it came; no encoder sends binary."""
        return bool(self.client_id) and self.body.isascii() and b"\x00" not in self.body

    @property
    def is_of_a_player(self) -> bool:
        return self._fields.get(b"call") == b"update_play"

    def follows(self, earlier: Hook) -> bool:
        """Whether `earlier` is of the same connection, or the same stream key, and was fired before."""
        related = self.client_id == earlier.client_id or self._fields.get(b"name") == earlier._fields.get(b"name")
        return related and earlier.occurred_at < self.occurred_at

    def as_done(self, now: int) -> Hook:
        """The publish_done of this publish, for when nginx will send none: it refused the publisher, or is gone."""
        body = self.body.replace(b"&call=publish&", b"&call=publish_done&", 1)
        return Hook(body, max(now, self.occurred_at + 1))
