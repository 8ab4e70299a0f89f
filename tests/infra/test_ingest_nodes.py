"""The ingest service: who reaches which port, that publishers are never cut off, and how a worker finds the right node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.config.errors import ConfigurationError
from rtmp_ingest.publisher_count import PublisherCount
from rtmp_ingest.settings import Settings as NodeSettings
from rtmp_ingest.task_protection import EXPIRES_MINUTES
from tests.own_names import CERTIFICATE, OWN_NAMES
from tests.templates import Resource, Templates, stage_values

OfStage = Callable[..., Templates]


@pytest.fixture(scope="module")
def prod(of_stage: OfStage) -> Templates:
    return of_stage("prod")


@pytest.fixture(scope="module")
def with_tls(of_stage: OfStage) -> Templates:
    return of_stage("prod", **OWN_NAMES)


def one(found: list[Resource]) -> Resource:
    [only] = found
    return only


def in_stack(templates: Templates, type_: str, stack: str) -> list[Resource]:
    return [each for each in templates.resources(type_) if each.stack.endswith(f"-{stack}")]


def node_task(templates: Templates) -> dict[str, Any]:
    return one(in_stack(templates, "AWS::ECS::TaskDefinition", "ingest")).properties


def attributes(group: Resource) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in group.properties["TargetGroupAttributes"]}


def test_the_node_is_told_exactly_what_it_reads_and_its_key_by_the_secret_alone(prod: Templates) -> None:
    [container] = node_task(prod)["ContainerDefinitions"]
    given = {each["Name"] for each in container["Environment"]}
    known = {name.upper() for name in NodeSettings.__struct_fields__}
    assert given <= known
    assert {"HOOKS_URL", "PULL_ALLOW", "STATE_DIR"} <= given
    assert "HOOK_SIGNING_KEY" not in given
    [secret] = container["Secrets"]
    assert secret["Name"] == "HOOK_SIGNING_KEY"
    assert str(secret["ValueFrom"]).endswith(":secret::']]}")


def test_the_nodes_hooks_have_an_api_of_their_own_in_their_own_stack(prod: Templates) -> None:
    [container] = node_task(prod)["ContainerDefinitions"]
    [url] = [each["Value"] for each in container["Environment"] if each["Name"] == "HOOKS_URL"]
    base, path = url["Fn::Join"][1]
    api = prod.referred(one(in_stack(prod, "AWS::ECS::Service", "ingest")).stack, base)
    assert (api.type, api.stack) == ("AWS::ApiGatewayV2::Api", "headwater-prod-ingest")
    routes = [
        each.properties["RouteKey"]
        for each in prod.resources("AWS::ApiGatewayV2::Route")
        if prod.referred(each.stack, each.properties["ApiId"]) == api
    ]
    assert routes == [f"POST {path}"]


def test_publishers_come_in_by_the_load_balancer_alone_and_workers_by_their_group(prod: Templates) -> None:
    service = one(in_stack(prod, "AWS::ECS::Service", "ingest"))
    network = service.properties["NetworkConfiguration"]["AwsvpcConfiguration"]
    nodes = prod.referred(service.stack, network["SecurityGroups"][0])
    balancer = one(prod.resources("AWS::ElasticLoadBalancingV2::LoadBalancer"))
    front = prod.referred(balancer.stack, balancer.properties["SecurityGroups"][0])
    dispatch = prod.function("transcode_dispatch")
    workers = prod.referred(
        dispatch.stack, dispatch.properties["Environment"]["Variables"]["TRANSCODE_SECURITY_GROUPS"]
    )
    assert "SecurityGroupIngress" not in nodes.properties
    let_in = {
        (str(prod.referred(each.stack, each.properties["SourceSecurityGroupId"])), each.properties["FromPort"])
        for each in prod.resources("AWS::EC2::SecurityGroupIngress")
        if prod.referred(each.stack, each.properties["GroupId"]) == nodes
    }
    assert let_in == {(str(front), 1935), (str(workers), 1936)}
    assert "SecurityGroupIngress" not in workers.properties, "nobody connects to a worker"
    assert [each["FromPort"] for each in front.properties["SecurityGroupIngress"]] == [1935]


def test_a_worker_reads_from_the_address_that_the_node_itself_has_in_the_network(prod: Templates) -> None:
    """Not through the load balancer, which would lead to any node: `pull_url` names the task (tests/unit/ingest/
    test_task_address.py), whose port 1936 the workers' group may reach, and whose own list lets the network's addresses in."""
    [container] = node_task(prod)["ContainerDefinitions"]
    environment = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert "PULL_BASE" not in environment, "the node asks ECS for its address"
    assert environment["PULL_LISTEN"] == "0.0.0.0:1936"
    vpc = one(prod.resources("AWS::EC2::VPC"))
    assert environment["PULL_ALLOW"] == vpc.properties["CidrBlock"]
    for listener in prod.resources("AWS::ElasticLoadBalancingV2::Listener"):
        assert listener.properties["Port"] != 1936


def test_without_a_certificate_there_is_no_tls_listener_and_with_one_both_ports_lead_to_the_nodes(
    prod: Templates, with_tls: Templates
) -> None:
    def listeners(templates: Templates) -> dict[int, Resource]:
        return {each.properties["Port"]: each for each in templates.resources("AWS::ElasticLoadBalancingV2::Listener")}

    assert listeners(prod).keys() == {1935}
    assert listeners(with_tls).keys() == {1935, 443}
    tls = listeners(with_tls)[443].properties
    assert (tls["Protocol"], tls["Certificates"]) == ("TLS", [{"CertificateArn": CERTIFICATE}])
    assert "TLS13" in tls["SslPolicy"]
    service = one(in_stack(with_tls, "AWS::ECS::Service", "ingest"))
    assert {each["ContainerPort"] for each in service.properties["LoadBalancers"]} == {1935}
    assert len(service.properties["LoadBalancers"]) == 2


def test_a_node_that_goes_keeps_its_publishers_for_an_hour(with_tls: Templates) -> None:
    groups = with_tls.resources("AWS::ElasticLoadBalancingV2::TargetGroup")
    for group in groups:
        told = attributes(group)
        assert told["deregistration_delay.connection_termination.enabled"] == "false"
        assert told["target_health_state.unhealthy.connection_termination.enabled"] == "false"
        assert told["deregistration_delay.timeout_seconds"] == "3600"
    sticky = {each["stickiness.enabled"] for each in map(attributes, groups)}
    assert sticky == {"true", "false"}, "AWS takes no sticky group behind a TLS listener"
    [container] = node_task(with_tls)["ContainerDefinitions"]
    environment = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert float(environment["DRAIN_SECONDS"]) < container["StopTimeout"] == 120
    # Protected for as long, then drained for as long: CloudFormation waits for a service three hours.
    assert EXPIRES_MINUTES * 60 + 3600 < 3 * 3600
    service = one(in_stack(with_tls, "AWS::ECS::Service", "ingest")).properties
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100


def test_nodes_are_scaled_by_the_metric_that_they_write(prod: Templates) -> None:
    policy = one(in_stack(prod, "AWS::ApplicationAutoScaling::ScalingPolicy", "ingest")).properties
    followed = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    [container] = node_task(prod)["ContainerDefinitions"]
    environment = {each["Name"]: each["Value"] for each in container["Environment"]}
    lines: list[str] = []
    PublisherCount(environment["METRICS_NAMESPACE"], lines.append).tell(1)
    assert followed["Namespace"] == environment["METRICS_NAMESPACE"]
    assert f'"Name": "{followed["MetricName"]}"' in lines[0]
    [dimension] = followed["Dimensions"]
    assert f'"{dimension["Name"]}": "{dimension["Value"]}"' in lines[0]
    assert "DesiredCount" not in one(in_stack(prod, "AWS::ECS::Service", "ingest")).properties


def test_tasks_are_small_closed_and_of_arm(prod: Templates) -> None:
    for definition in prod.resources("AWS::ECS::TaskDefinition"):
        [container] = definition.properties["ContainerDefinitions"]
        assert container["ReadonlyRootFilesystem"] is True
        assert definition.properties["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
        assert not container.get("Privileged")
        assert container["LogConfiguration"]["LogDriver"] == "awslogs"


def test_workers_run_in_public_subnets_on_spare_capacity_and_may_be_had_at_the_full_price(prod: Templates) -> None:
    cluster = one(in_stack(prod, "AWS::ECS::Cluster", "transcode")).properties
    assert set(cluster["CapacityProviders"]) == {"FARGATE", "FARGATE_SPOT"}
    told = prod.function("transcode_dispatch").properties["Environment"]["Variables"]
    assert (told["TRANSCODE_SPOT"], told["TRANSCODE_PUBLIC_IP"]) == ("true", "true")
    subnets = told["TRANSCODE_SUBNETS"]["Fn::Join"][1][0::2]
    for each in subnets:
        subnet = prod.referred(prod.function("transcode_dispatch").stack, each)
        assert {"Key": "aws-cdk:subnet-type", "Value": "Public"} in subnet.properties["Tags"]


def test_the_dispatcher_knows_which_subnet_a_node_is_in_by_its_address(prod: Templates) -> None:
    function = prod.function("transcode_dispatch")
    told = function.properties["Environment"]["Variables"]
    subnets = [prod.referred(function.stack, each) for each in told["TRANSCODE_SUBNETS"]["Fn::Join"][1][0::2]]
    assert told["TRANSCODE_SUBNET_RANGES"].split(",") == [each.properties["CidrBlock"] for each in subnets]
    assert len({str(each.properties["AvailabilityZone"]) for each in subnets}) == len(subnets), "a zone each"


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"ingest": {"min_tasks": 5}}, "ingest.min_tasks"),
        ({"ingest": {"certificate_arn": CERTIFICATE}}, "ingest.domain"),
        ({"ingest": {"certificate_arn": "abc", "domain": "a.example"}}, "ingest.certificate_arn"),
        ({"ingest": {"domain": "rtmp://a.example"}}, "ingest.domain"),
        ({"ingest": {"cpu": 300}}, "ingest.cpu"),
        ({"ingest": {"cpu": 1024, "memory_mib": 1024}}, "ingest.memory_mib"),
        ({"worker": {"cpu": 512}}, "worker.cpu"),
        ({"worker": {"cpu": 4096, "memory_mib": 4096}}, "worker.memory_mib"),
        ({"worker": {"start_limit_seconds": 1}}, "worker.start_limit_seconds"),
        ({"worker": {"warm_workers": 21}}, "worker.warm_workers"),
    ],
)
def test_a_setting_that_cannot_be_is_named(changes: dict[str, object], setting: str) -> None:
    with pytest.raises(ConfigurationError, match=setting.replace(".", r"\.")):
        stage_values("prod", changes)
