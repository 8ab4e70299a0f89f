"""Stage 7 · whom a limit per address counts."""

from __future__ import annotations

import ipaddress
from typing import NewType

Address = NewType("Address", str)


def client_address_of(host: str) -> Address:
    """An IPv4 address, or the /64 that one IPv6 customer has all to himself. What is no address counts as it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return Address(host)
    if address.version == 4:
        return Address(str(address))
    if address.ipv4_mapped is not None:
        return Address(str(address.ipv4_mapped))
    return Address(str(ipaddress.ip_network((address, 64), strict=False)))
