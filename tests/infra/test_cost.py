"""docs/cost.md is true: it is what the templates, the prices and the counts make of it, and nothing costs money unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.config.stages import ON_AWS
from infra.cost.idle import UnpricedResource, allowed, idle_lines
from infra.cost.page import page
from infra.cost.prices import PRICES
from tests.templates import ROOT, Templates


def costs(**resources: dict[str, Any]) -> dict[str, float]:
    """Dollars a month, by what they are for."""
    return {line.what: round(line.dollars, 2) for line in idle_lines({"stack": {"Resources": resources}})}


def test_the_page_is_what_the_stages_cost(of_stage: Callable[..., Templates]) -> None:
    written = page({stage: of_stage(stage).stacks for stage in ON_AWS})
    assert (ROOT / "docs" / "cost.md").read_text(encoding="utf-8") == written, "run `make cost`"


def test_what_nobody_has_priced_is_an_error() -> None:
    with pytest.raises(UnpricedResource, match="stack/Search is a AWS::OpenSearchService::Domain"):
        costs(Search={"Type": "AWS::OpenSearchService::Domain"})


def test_nat_gateways_and_their_addresses_are_paid_for_by_the_hour() -> None:
    found = costs(Nat={"Type": "AWS::EC2::NatGateway"}, Address={"Type": "AWS::EC2::EIP"})
    assert found == {"NAT gateways": 32.85, "public IPv4 addresses": 3.65}


def test_a_service_costs_what_its_scaling_leaves_of_it() -> None:
    definition = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Cpu": "1024", "Memory": "2048"}}
    service = {"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": {"Ref": "Task"}, "DesiredCount": 3}}
    assert costs(Task=definition, Service=service) == {"tasks of 1 vCPU and 2 GB that always run": 86.5}
    scaled = {"ServiceNamespace": "ecs", "ResourceId": {"Fn::Join": ["/", ["x", {"Ref": "Service"}]]}, "MinCapacity": 0}
    target = {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": scaled}
    assert costs(Task=definition, Service=service, Target=target) == {}


def test_an_instance_that_may_sleep_costs_nothing_and_one_that_may_not_its_least() -> None:
    instance = {"DBInstanceClass": "db.serverless", "DBClusterIdentifier": {"Ref": "Cluster"}}
    for least, dollars in ((0, 0.0), (0.5, 43.8)):
        scaling = {"ServerlessV2ScalingConfiguration": {"MinCapacity": least}}
        cluster = {"Type": "AWS::RDS::DBCluster", "Properties": scaling}
        found = costs(Cluster=cluster, Writer={"Type": "AWS::RDS::DBInstance", "Properties": instance})
        assert list(found.values()) == [dollars]


def test_a_queue_that_lambda_polls_costs_something_though_it_is_empty() -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}}
    mapping = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}},
    }
    assert costs(Queue=queue, Mapping=mapping) == {"SQS FIFO queues that Lambda polls": 0.33}


def test_free_allowances_never_take_more_than_there_is() -> None:
    lines = idle_lines({"s": {"Resources": {str(n): {"Type": "AWS::CloudWatch::Dashboard"} for n in range(4)}}})
    assert sum(line.dollars for line in lines) - allowed(lines) == pytest.approx(3.0)
    assert allowed([]) == 0


def test_every_price_has_a_page_and_something_it_was_compared_with() -> None:
    assert len({each.what for each in PRICES}) == len(PRICES)
    for each in PRICES:
        assert each.page.startswith("https://aws.amazon.com/"), each
        assert each.compared_with, each
        assert each.dollars > 0, each
