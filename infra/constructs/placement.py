"""Where a function stands when it uses the database or the cache: subnets of the network, and who it is to their firewalls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

# Whoever is told one of these has business with the stores.
_STORES = frozenset({"DATABASE_SECRET", "CACHE_URL"})


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Subnets with a way out. `dual_stack` functions have an IPv6 address each, and speak to AWS from it."""

    vpc: ec2.IVpc
    subnets: Sequence[ec2.ISubnet]
    security_group: ec2.ISecurityGroup
    dual_stack: bool

    def needed_by(self, environment: Mapping[str, str]) -> bool:
        """Whether a function with these variables uses the database or the cache; no other function is in the network."""
        return bool(_STORES & environment.keys())

    @property
    def environment(self) -> dict[str, str]:
        """How botocore finds endpoints that have an IPv6 address, or are reached through a gateway endpoint.

        DynamoDB is pinned to its regional name: gateway endpoints carry IPv4 alone
        (docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-ddb.html), and with dual-stack names botocore would go to
        the account's own (`<account>.ddb.<region>.api.aws`), past the gateway.
        """
        if not self.dual_stack:
            return {}
        return {
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "AWS_ENDPOINT_URL_DYNAMODB": f"https://dynamodb.{Aws.REGION}.{Aws.URL_SUFFIX}",
        }

    @property
    def function_options(self) -> dict[str, Any]:
        return {
            "vpc": self.vpc,
            "vpc_subnets": ec2.SubnetSelection(subnets=list(self.subnets)),
            "security_groups": [self.security_group],
            "ipv6_allowed_for_dual_stack": self.dual_stack,
        }


@dataclass(frozen=True, kw_only=True)
class StorePlacement:
    """Where the database and the cache stand: subnets without a way in or out, opened to `functions` and nobody else."""

    vpc: ec2.IVpc
    subnets: Sequence[ec2.ISubnet]
    functions: ec2.ISecurityGroup

    def opened(self, scope: Construct, purpose: str, ports: tuple[int, int]) -> ec2.SecurityGroup:
        """A firewall that lets functions in at `ports`, and nothing out."""
        group = ec2.SecurityGroup(scope, "Firewall", vpc=self.vpc, description=purpose, allow_all_outbound=False)
        group.add_ingress_rule(self.functions, ec2.Port.tcp_range(*ports), purpose)
        return group

    def open_existing(self, scope: Construct, security_group_id: str, ports: tuple[int, int]) -> None:
        """Let functions into a store that is there already."""
        ec2.CfnSecurityGroupIngress(
            scope,
            "FromFunctions",
            group_id=security_group_id,
            source_security_group_id=self.functions.security_group_id,
            ip_protocol="tcp",
            from_port=ports[0],
            to_port=ports[1],
            description="Headwater's functions",
        )


def let_lambda_place(function: lambda_.Function, role: iam.IRole) -> None:
    """Lambda makes a function's network interfaces in the function's name, and asks for exactly this.

    EC2 narrows these to no network (docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html): hence `*`, and hence the
    refusal for whoever calls from inside the function, which leaves them to Lambda alone.
    """
    actions = [
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    ]
    any_function = Stack.of(function).format_arn(
        service="lambda", resource="function", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    interfaces = iam.Policy(
        function,
        "Interfaces",
        roles=[role],
        statements=[
            iam.PolicyStatement(actions=actions, resources=["*"]),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=actions,
                resources=["*"],
                conditions={"ArnLike": {"lambda:SourceFunctionArn": any_function}},
            ),
        ],
    )
    # Taken away after the function: interfaces that Lambda has yet to delete would keep the network from going.
    function.node.add_dependency(interfaces)
