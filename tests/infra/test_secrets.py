"""Secrets: each is written by one function alone, on a schedule; the first key of tokens is the deployment's own doing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from headwater.domain.hook_secrets import OVERLAP_SECONDS
from tests.templates import Resource, Templates

OfStage = Callable[..., Templates]
DAY = 24 * 3600
EVERY_STAGE = pytest.mark.parametrize("stage", ["local", "dev", "prod"])


def roles_that_may(made: Templates, action: str) -> dict[str, set[str]]:
    """Of each secret of the data stack, the roles that may do `action` on it; all by their logical ids."""
    found: dict[str, set[str]] = {}
    for role in made.resources("AWS::IAM::Role"):
        for statement in made.statements(role):
            if action in statement["Action"]:
                for about in (
                    statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
                ):
                    if isinstance(about, dict):
                        found.setdefault(made.referred(role.stack, about).logical_id, set()).add(role.logical_id)
    return found


def schedule_of(made: Templates, function: Resource) -> Resource:
    [found] = [
        each
        for each in made.resources("AWS::Scheduler::Schedule")
        if each.stack == function.stack
        and str(made.referred(each.stack, each.properties["Target"]["Arn"])) == str(function)
    ]
    return found


@EVERY_STAGE
def test_every_secret_is_changed_by_its_maker_alone_and_that_of_stream_keys_by_nobody(
    of_stage: OfStage, stage: str
) -> None:
    writers = {
        secret[:-8]: {role[: role.index("Role")] for role in roles}
        for secret, roles in roles_that_may(of_stage(stage), "secretsmanager:PutSecretValue").items()
    }
    assert writers == {
        "TokenKeys": {"SigningKeys"},
        "HookSecret": {"HookSecrets"},
        "PlaybackKeys": {"PlaybackKeysMaker"},
    }


@EVERY_STAGE
def test_the_deployment_makes_the_first_key_of_tokens(of_stage: OfStage, stage: str) -> None:
    made = of_stage(stage)
    function = made.function("signing_keys")
    [first] = made.resources("Custom::TokenKeys")
    assert made.referred(first.stack, first.properties["ServiceToken"]) == function
    role = function.properties["Role"]["Fn::GetAtt"][0]
    policies = {
        each.logical_id
        for each in made.resources("AWS::IAM::Policy")
        if each.stack == function.stack and {"Ref": role} in each.properties["Roles"]
    }
    assert policies
    assert {*policies, function.logical_id} <= set(first.attributes["DependsOn"]), "it may do it by then"


@EVERY_STAGE
def test_the_hooks_secret_rotates_before_anything_signed_with_the_former_is_refused(
    of_stage: OfStage, stage: str
) -> None:
    made = of_stage(stage)
    function = made.function("hook_secret")
    schedule = schedule_of(made, function)
    assert schedule.properties["ScheduleExpression"] == "rate(30 days)"
    assert json.loads(schedule.properties["Target"]["Input"]) == {"action": "rotate"}
    assert OVERLAP_SECONDS > 30 * DAY
    hooks = made.function("ingest_hooks").properties["Environment"]["Variables"]
    assert function.properties["Environment"]["Variables"]["HOOK_SECRET"] == hooks["HOOK_SECRET"]


def test_nodes_that_a_service_keeps_are_replaced_when_their_secret_was(of_stage: OfStage) -> None:
    made = of_stage("prod")
    function = made.function("hook_secret")
    [service] = made.resources("AWS::ECS::Service")
    variables = function.properties["Environment"]["Variables"]
    assert variables["INGEST_SERVICE"] == {"Fn::GetAtt": [service.logical_id, "Name"]}
    cluster = made.referred(service.stack, service.properties["Cluster"])
    assert variables["INGEST_CLUSTER"] == cluster.properties["ClusterName"]
    role = made.referred(function.stack, function.properties["Role"])
    [updates] = [each for each in made.statements(role) if "ecs:" in str(each["Action"])]
    assert (updates["Action"], updates["Resource"]) == ("ecs:UpdateService", {"Ref": service.logical_id})
    assert "INGEST_SERVICE" not in of_stage("local").function("hook_secret").properties["Environment"]["Variables"]
