"""The network that other stacks are laid into: two availability zones, both kinds of addresses, no NAT unless asked for.

Three kinds of subnets, in each zone one of each: public ones for tasks and load balancers; private ones for functions beside
the database and the cache, with a way out and none in; isolated ones for these stores, with no way at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.config.network import Egress, ExistingNetwork, Network
from infra.constructs.placement import Placement, StorePlacement

ZONES = 2
FUNCTIONS = "functions"
STORES = "stores"


class NetworkStack(Stack):
    """Made here, or an existing VPC by its ids: `public_subnets`, and where `functions` and `stores` stand."""

    vpc: ec2.IVpc
    public_subnets: Sequence[ec2.ISubnet]
    public_ranges: Sequence[str] = ()  # the addresses of each, where the network is made here

    def __init__(self, scope: Construct, construct_id: str, *, network: Network | ExistingNetwork) -> None:
        super().__init__(scope, construct_id)
        if isinstance(network, ExistingNetwork):
            self.vpc = _existing(self, network)
            self.public_subnets = self.vpc.public_subnets
            function_subnets: Sequence[ec2.ISubnet] = self.vpc.private_subnets
            store_subnets = function_subnets
        else:
            made = _made(self, network)
            self.vpc = made
            self.public_subnets = made.public_subnets
            self.public_ranges = [each.ipv4_cidr_block for each in made.public_subnets]
            store_subnets = made.select_subnets(subnet_group_name=STORES).subnets
            function_subnets = _functions(made)
        dual_stack = isinstance(network, Network) or network.dual_stack
        self.functions = Placement(
            vpc=self.vpc,
            subnets=function_subnets,
            security_group=ec2.SecurityGroup(
                self,
                "Functions",
                vpc=self.vpc,
                description="Functions beside the database and the cache: nobody connects to them",
                allow_all_outbound=True,
                allow_all_ipv6_outbound=dual_stack,
            ),
            dual_stack=dual_stack,
        )
        self.stores = StorePlacement(vpc=self.vpc, subnets=store_subnets, functions=self.functions.security_group)


def _existing(scope: Construct, network: ExistingNetwork) -> ec2.IVpc:
    return ec2.Vpc.from_vpc_attributes(
        scope,
        "Vpc",
        vpc_id=network.vpc_id,
        availability_zones=list(network.availability_zones),
        public_subnet_ids=list(network.public_subnets),
        private_subnet_ids=list(network.private_subnets),
    )


def _made(scope: Construct, network: Network) -> ec2.Vpc:
    has_nat = network.egress != "ipv6"
    vpc = ec2.Vpc(
        scope,
        "Vpc",
        ip_addresses=ec2.IpAddresses.cidr(network.cidr),
        ip_protocol=ec2.IpProtocol.DUAL_STACK,
        max_azs=ZONES,
        nat_gateways={"ipv6": 0, "nat_instance": 1, "nat_gateway": ZONES}[network.egress],
        nat_gateway_provider=_nat(network.egress),
        # Its custom resource would be a function of the CDK's own; nobody here uses the default group.
        restrict_default_security_group=False,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False),
            ec2.SubnetConfiguration(
                name=FUNCTIONS,
                subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS if has_nat else ec2.SubnetType.PRIVATE_ISOLATED,
            ),
            ec2.SubnetConfiguration(name=STORES, subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        ],
    )
    # Both are free, and reach where an egress-only gateway does not: DynamoDB and S3 by IPv4.
    for name, service in (
        ("S3", ec2.GatewayVpcEndpointAwsService.S3),
        ("DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB),
    ):
        vpc.add_gateway_endpoint(
            name, service=service, subnets=[ec2.SubnetSelection(subnets=[*vpc.public_subnets, *_functions(vpc)])]
        )
    if not has_nat:
        _let_out_by_ipv6(scope, vpc)
    return vpc


def _functions(vpc: ec2.Vpc) -> Sequence[ec2.ISubnet]:
    return vpc.select_subnets(subnet_group_name=FUNCTIONS).subnets


def _let_out_by_ipv6(scope: Construct, vpc: ec2.Vpc) -> None:
    """The CDK makes the gateway of every dual-stack VPC, but no route to it where there is no NAT."""
    gateway = vpc.node.find_child("EIGW6")
    if not isinstance(gateway, ec2.CfnEgressOnlyInternetGateway):
        raise TypeError("a dual-stack VPC has an egress-only internet gateway")
    for number, subnet in enumerate(_functions(vpc), start=1):
        ec2.CfnRoute(
            scope,
            f"OutByIpv6From{number}",
            route_table_id=subnet.route_table.route_table_id,
            destination_ipv6_cidr_block="::/0",
            egress_only_internet_gateway_id=gateway.attr_id,
        )


def _nat(egress: Egress) -> ec2.NatProvider | None:
    if egress != "nat_instance":
        return None
    return ec2.NatProvider.instance_v2(
        instance_type=ec2.InstanceType("t4g.nano"),
        machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=ec2.AmazonLinuxCpuType.ARM_64),
        default_allowed_traffic=ec2.NatTrafficDirection.OUTBOUND_ONLY,
    )
