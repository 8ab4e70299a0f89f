"""Stage 6 · what a stack says of the pages that it wants."""

from __future__ import annotations

import msgspec


class Wanted(msgspec.Struct, frozen=True):
    """The properties of the resource."""

    archive_bucket: str = msgspec.field(name="ArchiveBucket")
    archive_key: str = msgspec.field(name="ArchiveKey")
    addresses: str = msgspec.field(name="Addresses")  # JSON
