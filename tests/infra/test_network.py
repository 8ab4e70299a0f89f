"""The network lets functions out and nobody in, costs nothing by default, and is laid around an existing one just as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.templates import Resource, Templates

OfStage = Callable[..., Templates]
EXISTING_STORES: dict[str, object] = {
    "database": {
        "secret_arn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mine-abcdef",
        "security_group": "sg-database",
    },
    "cache": {"url": "rediss://cache.example.com:6379", "security_group": "sg-cache"},
}
AWAY_FROM_LOCAL = ["dev", "prod"]
STORE_VARIABLES = {"DATABASE_SECRET", "CACHE_URL"}
EXISTING = {
    "vpc_id": "vpc-1",
    "availability_zones": ["eu-west-1a", "eu-west-1b"],
    "public_subnets": ["subnet-public-a", "subnet-public-b"],
    "private_subnets": ["subnet-private-a", "subnet-private-b"],
    "dual_stack": False,  # behind a NAT of its own: AWS is spoken to at the usual endpoints
}


def subnets(made: Templates, kind: str) -> list[Resource]:
    return [each for each in made.resources("AWS::EC2::Subnet") if kind in each.logical_id]


def routes(made: Templates, subnet: Resource) -> dict[str, dict[str, Any]]:
    """What the subnet's route table sends where, by destination."""
    [table] = [
        each.properties["RouteTableId"]
        for each in made.resources("AWS::EC2::SubnetRouteTableAssociation")
        if each.properties["SubnetId"] == {"Ref": subnet.logical_id}
    ]
    return {
        each.properties.get("DestinationCidrBlock") or each.properties["DestinationIpv6CidrBlock"]: each.properties
        for each in made.resources("AWS::EC2::Route")
        if each.properties["RouteTableId"] == table
    }


@pytest.mark.parametrize("stage", AWAY_FROM_LOCAL)
def test_there_are_two_zones_with_both_kinds_of_addresses_everywhere(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    for kind in ("public", "functions", "stores"):
        zones = [each.properties["AvailabilityZone"] for each in subnets(made, kind)]
        assert zones == [{"Fn::Select": [number, {"Fn::GetAZs": ""}]} for number in (0, 1)], "no account is looked up"
    for subnet in made.resources("AWS::EC2::Subnet"):
        assert subnet.properties["AssignIpv6AddressOnCreation"] is True, subnet
        assert subnet.properties["MapPublicIpOnLaunch"] is False, subnet


@pytest.mark.parametrize("stage", AWAY_FROM_LOCAL)
def test_by_default_functions_get_out_by_ipv6_alone_and_nothing_is_charged(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    for subnet in subnets(made, "functions"):
        [(destination, route)] = routes(made, subnet).items()
        assert destination == "::/0"
        gateway = made.referred(subnet.stack, route["EgressOnlyInternetGatewayId"])
        assert gateway.type == "AWS::EC2::EgressOnlyInternetGateway"
    for charged in ("NatGateway", "EIP", "Instance"):
        assert made.resources(f"AWS::EC2::{charged}") == []
    assert {each.properties["VpcEndpointType"] for each in made.resources("AWS::EC2::VPCEndpoint")} == {"Gateway"}


@pytest.mark.parametrize("stage", AWAY_FROM_LOCAL)
def test_stores_have_no_way_in_or_out_but_for_functions(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    for subnet in subnets(made, "stores"):
        assert routes(made, subnet) == {}
    functions = {
        str(made.referred(function.stack, group))
        for function in made.resources("AWS::Lambda::Function")
        for group in function.properties.get("VpcConfig", {}).get("SecurityGroupIds", [])
    }
    [cluster] = made.resources("AWS::RDS::DBCluster")
    [cache] = made.resources("AWS::ElastiCache::ServerlessCache")
    for store, groups, ports in (
        (cluster, cluster.properties["VpcSecurityGroupIds"], (5432, 5432)),
        (cache, cache.properties["SecurityGroupIds"], (6379, 6380)),
    ):
        [firewall] = [made.referred(store.stack, group) for group in groups]
        assert "SecurityGroupIngress" not in firewall.properties
        [rule] = [
            each
            for each in made.resources("AWS::EC2::SecurityGroupIngress")
            if made.referred(each.stack, each.properties["GroupId"]) == firewall
        ]
        assert {str(made.referred(rule.stack, rule.properties["SourceSecurityGroupId"]))} == functions
        assert (rule.properties["FromPort"], rule.properties["ToPort"]) == ports
        assert [each["CidrIp"] for each in firewall.properties["SecurityGroupEgress"]] == ["255.255.255.255/32"]
    for subnet_group in made.resources("AWS::RDS::DBSubnetGroup"):
        placed = {str(made.referred(subnet_group.stack, each)) for each in subnet_group.properties["SubnetIds"]}
        assert placed == {str(each) for each in subnets(made, "stores")}
    for instance in made.resources("AWS::RDS::DBInstance"):
        assert instance.properties["PubliclyAccessible"] is False


@pytest.mark.parametrize("stage", AWAY_FROM_LOCAL)
def test_whoever_uses_the_database_or_the_cache_is_in_the_network_and_nobody_else(
    of_stage: OfStage, stage: str
) -> None:
    made = of_stage(stage)
    for function in made.resources("AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        assert ("VpcConfig" in function.properties) == bool(STORE_VARIABLES & variables.keys()), function
        if "VpcConfig" in function.properties:
            placed = function.properties["VpcConfig"]
            assert placed["Ipv6AllowedForDualStack"] is True, function
            assert {str(made.referred(function.stack, each)) for each in placed["SubnetIds"]} == {
                str(each) for each in subnets(made, "functions")
            }


@pytest.mark.parametrize("stage", AWAY_FROM_LOCAL)
def test_nothing_connects_to_a_function(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    function = made.function("api")
    [group] = function.properties["VpcConfig"]["SecurityGroupIds"]
    firewall = made.referred(function.stack, group)
    assert "SecurityGroupIngress" not in firewall.properties
    opened = [
        made.referred(each.stack, each.properties["GroupId"])
        for each in made.resources("AWS::EC2::SecurityGroupIngress")
        if not str(each.properties["GroupId"]).startswith("sg-")
    ]
    assert firewall not in opened


@pytest.mark.parametrize("stage", AWAY_FROM_LOCAL)
def test_lambda_may_place_a_function_and_the_function_itself_may_not(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    for function in made.resources("AWS::Lambda::Function"):
        role = made.referred(function.stack, function.properties["Role"])
        about = [each for each in made.statements(role) if "ec2:CreateNetworkInterface" in each["Action"]]
        if "VpcConfig" not in function.properties:
            assert about == [], function
            continue
        allowed, refused = about
        assert (allowed["Effect"], refused["Effect"]) == ("Allow", "Deny")
        assert allowed["Action"] == refused["Action"]
        assert list(refused["Condition"]) == ["ArnLike"]
        assert list(refused["Condition"]["ArnLike"]) == ["lambda:SourceFunctionArn"]


def test_a_nat_instance_and_gateways_carry_ipv4_where_a_deployer_asks_for_them(of_stage: OfStage) -> None:
    by_instance = of_stage("dev", network={"egress": "nat_instance"})
    [instance] = by_instance.resources("AWS::EC2::Instance")
    assert instance.properties["InstanceType"] == "t4g.nano"
    for subnet in subnets(by_instance, "functions"):
        carried = routes(by_instance, subnet)
        assert by_instance.referred(subnet.stack, carried["0.0.0.0/0"]["InstanceId"]) == instance
        assert "EgressOnlyInternetGatewayId" in carried["::/0"]
    by_gateway = of_stage("prod", network={"egress": "nat_gateway"}, **EXISTING_STORES)
    used = {str(routes(by_gateway, each)["0.0.0.0/0"]["NatGatewayId"]) for each in subnets(by_gateway, "functions")}
    assert len(used) == len(by_gateway.resources("AWS::EC2::NatGateway")) == 2, "one in each zone"


def test_an_existing_network_is_used_by_its_ids(of_stage: OfStage) -> None:
    made = of_stage("prod", network=EXISTING)
    for kind in ("VPC", "Subnet", "InternetGateway", "VPCEndpoint"):
        assert made.resources(f"AWS::EC2::{kind}") == []
    for function in made.resources("AWS::Lambda::Function"):
        if "VpcConfig" in function.properties:
            assert function.properties["VpcConfig"]["SubnetIds"] == EXISTING["private_subnets"]
            assert function.properties["VpcConfig"]["Ipv6AllowedForDualStack"] is False
            assert "AWS_USE_DUALSTACK_ENDPOINT" not in function.properties["Environment"]["Variables"]
    [group] = made.resources("AWS::RDS::DBSubnetGroup")
    assert group.properties["SubnetIds"] == EXISTING["private_subnets"]


def test_one_machine_has_no_network(synthesised: Templates) -> None:
    assert [each for each in synthesised.stacks if each.endswith("-network")] == []
    for function in synthesised.resources("AWS::Lambda::Function"):
        assert "VpcConfig" not in function.properties
