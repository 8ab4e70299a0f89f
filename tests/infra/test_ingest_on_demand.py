"""Ingest on demand: nothing that costs while nobody asks, a port open to encoders, and a function that may start just nodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from headwater.contracts import INGEST_EVENT_SOURCE, INGEST_WANTED
from infra.config.errors import ConfigurationError
from infra.cost.idle import idle_lines
from rtmp_ingest.settings import Settings as NodeSettings
from tests.infra.test_grants import OF_TASKS
from tests.own_names import CERTIFICATE
from tests.templates import ROOT, Resource, Templates, stage_values

STARTS_NODES = [ROOT / "headwater" / "adapters" / name for name in ("ecs_tasks.py", "ingest_tasks.py")]


@pytest.fixture(scope="module")
def dev(of_stage: Callable[..., Templates]) -> Templates:
    return of_stage("dev")


def node_task(templates: Templates) -> Resource:
    [found] = [each for each in templates.resources("AWS::ECS::TaskDefinition") if each.stack.endswith("-ingest")]
    return found


def starter_variables(templates: Templates) -> dict[str, Any]:
    variables: dict[str, Any] = templates.function("ingest_nodes").properties["Environment"]["Variables"]
    return variables


def test_an_idle_deployment_has_nothing_of_ingest_that_costs_but_a_look_once_a_minute(dev: Templates) -> None:
    for kind in ("ElasticLoadBalancingV2::LoadBalancer", "ElasticLoadBalancingV2::TargetGroup", "ECS::Service"):
        assert dev.resources(f"AWS::{kind}") == []
    of_ingest = [line for line in idle_lines(dev.stacks) if line.stack.endswith("-ingest")]
    assert [line.what for line in of_ingest] == ["scheduled calls, and their functions"]
    assert sum(line.dollars for line in of_ingest) < 0.10


def test_a_node_is_told_exactly_what_it_reads_and_announces_itself_where_its_hooks_go(dev: Templates) -> None:
    [container] = node_task(dev).properties["ContainerDefinitions"]
    given = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert given.keys() <= {name.upper() for name in NodeSettings.__struct_fields__}
    hooks, nodes = (given[name]["Fn::Join"][1] for name in ("HOOKS_URL", "ANNOUNCE_URL"))
    assert hooks[0] == nodes[0]
    api = dev.referred(node_task(dev).stack, nodes[0])
    routes = {
        each.properties["RouteKey"]: each
        for each in dev.resources("AWS::ApiGatewayV2::Route")
        if dev.referred(each.stack, each.properties["ApiId"]) == api
    }
    assert routes.keys() == {f"POST {hooks[1]}", f"POST {nodes[1]}"}
    assert "METRICS_NAMESPACE" not in given, "nothing is scaled by it"


def test_encoders_reach_a_node_from_anywhere_and_workers_its_sources(dev: Templates) -> None:
    starter = dev.function("ingest_nodes")
    group = dev.referred(starter.stack, starter_variables(dev)["INGEST_SECURITY_GROUPS"])
    [encoders] = group.properties["SecurityGroupIngress"]
    assert (encoders["CidrIp"], encoders["FromPort"], encoders["ToPort"]) == ("0.0.0.0/0", 1935, 1935)
    let_in = [
        each.properties["FromPort"]
        for each in dev.resources("AWS::EC2::SecurityGroupIngress")
        if dev.referred(each.stack, each.properties["GroupId"]) == group
    ]
    assert let_in == [1936]
    for each in starter_variables(dev)["INGEST_SUBNETS"]["Fn::Join"][1][0::2]:
        subnet = dev.referred(starter.stack, each)
        assert {"Key": "aws-cdk:subnet-type", "Value": "Public"} in subnet.properties["Tags"]


def test_who_starts_nodes_may_do_what_the_code_that_starts_them_does_to_nodes_alone(dev: Templates) -> None:
    starter = dev.function("ingest_nodes")
    statements = dev.statements(dev.referred(starter.stack, starter.properties["Role"]))
    code = "".join(path.read_text() for path in STARTS_NODES)
    used = {action for action, method in OF_TASKS.items() if re.search(rf"\.{method}\(|\"{method}\"", code)}
    allowed: dict[str, Any] = {}
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        allowed |= {action: statement for action in actions if action.startswith(("ecs:", "iam:"))}
    assert allowed.keys() == used
    for action, statement in allowed.items():
        if action == "iam:PassRole":
            task = node_task(dev)
            roles = {
                str(dev.referred(task.stack, task.properties[role])) for role in ("TaskRoleArn", "ExecutionRoleArn")
            }
            assert {str(dev.referred(starter.stack, each)) for each in statement["Resource"]} == roles
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        else:
            cluster = dev.referred(starter.stack, statement["Condition"]["ArnEquals"]["ecs:cluster"])
            assert cluster.properties["ClusterName"] == "headwater-dev-ingest"
            assert (statement["Resource"] == "*") == (action == "ecs:ListTasks")
    # No node may do anything to ECS, nor to any other service.
    task_role = dev.referred(node_task(dev).stack, node_task(dev).properties["TaskRoleArn"])
    assert dev.statements(task_role) == []


def test_a_wish_is_an_event_that_calls_the_starter_and_the_minute_brings_what_was_lost(dev: Templates) -> None:
    starter = dev.function("ingest_nodes")
    [rule] = [each for each in dev.resources("AWS::Events::Rule") if each.stack == starter.stack]
    assert rule.properties["EventPattern"] == {"source": [INGEST_EVENT_SOURCE], "detail-type": [INGEST_WANTED]}
    [target] = rule.properties["Targets"]
    assert dev.referred(rule.stack, target["Arn"]) == starter
    [schedule] = [
        each
        for each in dev.resources("AWS::Scheduler::Schedule")
        if dev.referred(each.stack, each.properties["Target"]["Arn"]) == starter
    ]
    assert schedule.properties["ScheduleExpression"] == "rate(1 minute)"
    missed = [
        str(dev.referred(each.stack, aside["DeadLetterConfig"]["Arn"]))
        for each, aside in ((rule, target), (schedule, schedule.properties["Target"]))
    ]
    assert missed[0] == missed[1]
    assert dev.resources("AWS::Lambda::EventSourceMapping")
    for mapping in dev.resources("AWS::Lambda::EventSourceMapping"):
        assert dev.referred(mapping.stack, mapping.properties["FunctionName"]) != starter, "nothing is polled"


def test_the_api_takes_wishes_within_the_limits_that_the_starter_goes_by(dev: Templates) -> None:
    told = dev.function("api").properties["Environment"]["Variables"]
    assert "RTMP_URLS" not in told
    names = [name for name in told if name.startswith("INGEST_")]
    assert len(names) == 3
    for name in (*names, "BROADCASTS_PER_USER"):
        assert told[name] == starter_variables(dev)[name]


def test_a_stage_with_alarms_rings_when_no_node_comes(of_stage: Callable[..., Templates]) -> None:
    templates = of_stage("prod", ingest={"on_demand": True, "max_tasks": 3})
    [alarm] = [
        each.properties
        for each in templates.resources("AWS::CloudWatch::Alarm")
        if each.properties["MetricName"] == "IngestNodeNotStarted"
    ]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": "ingest_nodes"}]
    assert "IngestNodeNotStarted" in (ROOT / "functions" / "ingest_nodes" / "settle_nodes.py").read_text()
    section = alarm["AlarmDescription"].rpartition("#")[2]
    assert f"\n## {section}\n" in (ROOT / "docs" / "runbook.md").read_text()
    missed = [each for each in templates.resources("AWS::CloudWatch::Alarm") if "Starter" in str(each.properties)]
    assert missed, "what its schedule missed has an alarm, too"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"domain": "ingest.example.com"}, r"ingest\.domain .*load balancer.*ingest\.on_demand = false"),
        ({"domain": "ingest.example.com", "certificate_arn": CERTIFICATE}, r"ingest\.certificate_arn .*takes TLS off"),
        ({"min_tasks": 2}, r"ingest\.min_tasks: with ingest\.on_demand no node runs until somebody asks"),
        ({"wish_seconds": 5}, r"ingest\.wish_seconds must be from 60 to 86400, not 5"),
    ],
)
def test_a_setting_that_cannot_go_with_it_says_why(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        stage_values("prod", {"ingest": {"on_demand": True, "max_tasks": 4, **values}})
