"""The network: made by the stack, or an existing one by its ids."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from infra.config.errors import ConfigurationError

Egress = Literal["ipv6", "nat_instance", "nat_gateway"]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Two availability zones, dual-stack. Prices are us-east-1's for 730 hours, USD.

    `egress` is how functions beside the database reach AWS (the public subnets of tasks and load balancers have an
    internet gateway in any case):

    - `ipv6`: an egress-only internet gateway. $0. AWS is spoken to at its dual-stack endpoints; whatever has an IPv4
      address alone cannot be reached, and no function here has to (docs/network.md proves it, call by call).
    - `nat_instance`: one t4g.nano and its public IPv4 address. $3.07 + $3.65 + $0.64 of disk = $7.36 a month. It needs
      patching, carries 5 Gbit/s in bursts, and while it is away (its zone, a reboot) IPv4 is, too.
    - `nat_gateway`: one in each zone, kept by AWS. 2 × ($32.85 + $3.65) = $73.00 a month, and $0.045 per GB through it.
    """

    cidr: str = "10.20.0.0/16"
    egress: Egress = "ipv6"

    def __post_init__(self) -> None:
        try:
            network = ipaddress.IPv4Network(self.cidr)
        except ValueError as error:
            raise ConfigurationError(f"network.cidr must be an IPv4 network such as 10.20.0.0/16: {error}") from None
        if not 16 <= network.prefixlen <= 24:
            raise ConfigurationError(f"network.cidr must have between 16 and 24 bits of prefix, not {self.cidr}")


@dataclass(frozen=True, kw_only=True)
class ExistingNetwork:
    """A VPC that is there already, dual-stack, with gateway endpoints for S3 and DynamoDB. It costs nothing more.

    `public_subnets` have an internet gateway and take tasks and load balancers; `private_subnets` have a way out by IPv6 (or
    a NAT, then set `dual_stack` to false) and take the functions, the database and the cache. One of each in every zone.
    """

    vpc_id: str
    availability_zones: tuple[str, ...]
    public_subnets: tuple[str, ...]
    private_subnets: tuple[str, ...]
    dual_stack: bool = True

    def __post_init__(self) -> None:
        if not self.vpc_id.startswith("vpc-"):
            raise ConfigurationError(f"network.vpc_id must be the id of a VPC (vpc-…), not {self.vpc_id!r}")
        if len(self.availability_zones) < 2:
            raise ConfigurationError("network.availability_zones must name at least two: Aurora takes no fewer")
        for name in ("public_subnets", "private_subnets"):
            subnets = getattr(self, name)
            if len(subnets) != len(self.availability_zones) or not all(each.startswith("subnet-") for each in subnets):
                raise ConfigurationError(f"network.{name} must name one subnet (subnet-…) for each availability zone")
