"""Alarms watch what is really written, ring somewhere, and lead to what is to be done."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.config.errors import ConfigurationError
from tests.own_names import MAIL, OWN_NAMES
from tests.templates import ROOT, Resource, Templates, stage_values

# Metrics of AWS's own that are watched or drawn, each with the dimensions under which AWS publishes it.
DOCUMENTED = {
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): {"QueueName"},
    # docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    ("AWS/ApiGateway", "4xx"): {"ApiId"},
    ("AWS/ApiGateway", "5xx"): {"ApiId"},
    ("AWS/ApiGateway", "Count"): {"ApiId"},
    ("AWS/ApiGateway", "Latency"): {"ApiId"},
    # docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
    ("AWS/ApiGateway", "IntegrationError"): {"ApiId", "Stage"},
    ("AWS/ApiGateway", "MessageCount"): {"ApiId", "Stage"},
    # docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.viewing.monitoring.html
    ("AWS/RDS", "ACUUtilization"): {"DBClusterIdentifier"},
    ("AWS/RDS", "DatabaseConnections"): {"DBClusterIdentifier"},
}
SOURCES = {"ffmpeg-worker": "containers/ffmpeg-worker/ffmpeg_worker"}  # of what is no function


@pytest.fixture
def prod(of_stage: Callable[..., Templates]) -> Templates:
    return of_stage("prod", **OWN_NAMES)


def alarms(templates: Templates) -> list[Resource]:
    found = templates.resources("AWS::CloudWatch::Alarm")
    assert found
    return found


def test_every_dead_letter_queue_has_an_alarm_of_its_own(prod: Templates) -> None:
    aside = {
        str(prod.referred(each.stack, each.properties["RedrivePolicy"]["deadLetterTargetArn"]))
        for each in prod.resources("AWS::SQS::Queue")
        if "RedrivePolicy" in each.properties
    }
    aside |= {
        str(prod.referred(each.stack, each.properties["Target"]["DeadLetterConfig"]["Arn"]))
        for each in prod.resources("AWS::Scheduler::Schedule")
    }
    watched = [
        str(prod.referred(each.stack, each.properties["Dimensions"][0]["Value"]))
        for each in alarms(prod)
        if each.properties["MetricName"] == "ApproximateNumberOfMessagesVisible"
    ]
    assert sorted(watched) == sorted(aside)


def test_every_alarm_rings_and_says_what_to_do_by_a_section_that_there_is(prod: Templates) -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    sections = {
        re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.+)$", runbook, re.M)
    }
    [topic] = prod.resources("AWS::SNS::Topic")
    [subscription] = prod.resources("AWS::SNS::Subscription")
    assert subscription.properties["Endpoint"] == MAIL
    for alarm in alarms(prod):
        for action in (*alarm.properties["AlarmActions"], *alarm.properties["OKActions"]):
            assert prod.referred(alarm.stack, action) == topic
        said = re.fullmatch(r"(.+\.) (.+\.) docs/runbook\.md#([a-z0-9-]+)", alarm.properties["AlarmDescription"])
        assert said is not None, f"what it means, what to do, and where: {alarm.properties['AlarmDescription']}"
        assert said[3] in sections, alarm


def test_whatever_an_alarm_or_the_dashboard_watches_is_really_written(prod: Templates) -> None:
    """That it is written under these dimensions is seen in a run: tests/e2e/test_logs.py, tests/unit/test_monitored.py."""
    [dashboard] = prod.resources("AWS::CloudWatch::Dashboard")
    seen = list(drawn(dashboard))
    assert len(seen) > 15
    for alarm in alarms(prod):
        dimensions = {each["Name"]: each["Value"] for each in alarm.properties["Dimensions"]}
        seen.append((alarm.properties["Namespace"], alarm.properties["MetricName"], dimensions))
    for namespace, name, dimensions in seen:
        if namespace.startswith("AWS/"):
            assert DOCUMENTED[namespace, name] == dimensions.keys(), name
        else:
            assert namespace == "Headwater/prod"
            assert dimensions.keys() == {"service"}
            assert name in written_by(dimensions["service"]), (name, dimensions)


def test_the_store_at_the_edges_rings_well_before_it_is_full_and_until_it_is_emptier(prod: Templates) -> None:
    [alarm] = [each for each in alarms(prod) if each.properties["MetricName"] == "EdgeStoreBytes"]
    assert (alarm.properties["Statistic"], alarm.properties["Threshold"]) == ("Maximum", 4_000_000)
    assert alarm.properties["TreatMissingData"] == "ignore", "it is told of with a change alone"


def test_whoever_writes_metrics_is_told_the_namespace_that_alarms_look_in(prod: Templates) -> None:
    told = [each.properties["Environment"]["Variables"] for each in prod.resources("AWS::Lambda::Function")]
    for definition in prod.resources("AWS::ECS::TaskDefinition"):
        for container in definition.properties["ContainerDefinitions"]:
            if any(
                each["Name"] == "TRANSCODE_JOB" or each["Value"] == "ffmpeg-worker" for each in container["Environment"]
            ):
                told.append({each["Name"]: each["Value"] for each in container["Environment"]})
    ours = [each for each in told if "POWERTOOLS_SERVICE_NAME" in each]
    assert {each["POWERTOOLS_METRICS_NAMESPACE"] for each in ours} == {"Headwater/prod"}
    services = {each["POWERTOOLS_SERVICE_NAME"] for each in ours}
    watched = {
        dimension["Value"]
        for alarm in alarms(prod)
        for dimension in alarm.properties["Dimensions"]
        if dimension["Name"] == "service"
    }
    assert watched <= services


def test_the_budget_is_of_this_stage_and_told_of_where_alarms_are(prod: Templates) -> None:
    [budget] = prod.resources("AWS::Budgets::Budget")
    assert budget.properties["Budget"]["CostFilters"] == {"TagKeyValue": ["user:headwater:stage$prod"]}
    [topic] = prod.resources("AWS::SNS::Topic")
    for notification in budget.properties["NotificationsWithSubscribers"]:
        [subscriber] = notification["Subscribers"]
        assert prod.referred(budget.stack, subscriber["Address"]) == topic


def test_a_wrong_value_of_monitoring_is_named() -> None:
    wrong: tuple[dict[str, Any], ...] = ({"mail": "ops"}, {"refusals": 0}, {"monthly_budget_usd": 0})
    for values in wrong:
        with pytest.raises(ConfigurationError, match=rf"monitoring\.{next(iter(values))}"):
            stage_values("prod", {"monitoring": values})


def drawn(dashboard: Resource) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(namespace, name, dimensions) of every metric on the page."""
    parts = dashboard.properties["DashboardBody"]["Fn::Join"][1]
    body = json.loads("".join(part if isinstance(part, str) else "made-by-cloudformation" for part in parts))
    for widget in body["widgets"]:
        for namespace, name, *rest in widget["properties"].get("metrics", ()):
            dimensions = [each for each in rest if isinstance(each, str)]
            yield namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))


def written_by(service: str) -> set[str]:
    """The names of all metrics in the code that the service imports, from its own folder on."""
    folder = ROOT / SOURCES.get(service, f"functions/{service}")
    waiting, read, names = sorted(folder.glob("*.py")), set[Path](), set[str]()
    while waiting:
        path = waiting.pop()
        if path in read or not path.is_file():
            continue
        read.add(path)
        tree = ast.parse(path.read_text())
        names |= set(_metrics(tree))
        waiting += [
            ROOT / f"{node.module.replace('.', '/')}.py"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("headwater.")
        ]
    return names


def _metrics(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("count", "measure_ms"):
            name = node.args[0]
            if isinstance(name, ast.Constant):
                yield str(name.value)
