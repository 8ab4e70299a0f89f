"""Stage 2 · nginx-rtmp's hooks as ingest events. Source: ngx_rtmp_notify_module.c of nginx-rtmp 1.2.2.

The form's fields come in a fixed order, with whatever the publisher put behind a question mark appended last and
unescaped. So `key?name=victim&clientid=1` repeats fields, and only the first value of each is nginx's own.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from functions.ingest_hooks.ingest_event import IngestCall, IngestEvent
from headwater.errors import HookRejected
from headwater.hook_signature import HookOrigin

_CALLS = {
    b"publish": IngestCall.PUBLISH,
    b"update_publish": IngestCall.UPDATE,
    b"publish_done": IngestCall.DONE,
}
_SERIAL = re.compile(rb"[0-9]{1,20}")
_SECONDS = re.compile(rb"[0-9]{1,9}")


def parse_hook(origin: HookOrigin, body: bytes) -> IngestEvent:
    """The event in a form body whose signature was found right. Raises HookRejected when it is not nginx-rtmp's form."""
    fields = _first_values(body)
    call = _CALLS.get(fields.get(b"call", b""), IngestCall.NEUTRAL)
    client_id = fields.get(b"clientid", b"")
    if call is not IngestCall.NEUTRAL and _SERIAL.fullmatch(client_id) is None:
        raise HookRejected
    age = fields.get(b"time", b"")
    return IngestEvent(
        call=call,
        node=origin.node,
        client_id=client_id.decode("ascii", "replace"),
        # Bytes that are no text become U+FFFD, which is in no key.
        key=unquote_to_bytes(fields.get(b"name", b"")).decode("utf-8", "replace"),
        occurred_at=origin.occurred_at,
        pull_base=origin.pull_base,
        age_seconds=int(age) if call is IngestCall.UPDATE and _SECONDS.fullmatch(age) else None,
    )


def _first_values(body: bytes) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        values.setdefault(name, value)
    return values
