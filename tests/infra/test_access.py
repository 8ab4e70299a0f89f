"""Nobody may do more than they do, and nothing is open that need not be."""

from __future__ import annotations

from typing import Any

from tests.templates import ROOT, Templates

# Actions that AWS cannot narrow to a resource, each with the reason.
UNNARROWED = {
    "ecs:ListTasks": "its only resource type is a container instance, which Fargate lacks; a condition names the cluster",
    "ecr:GetAuthorizationToken": "knows no resource",
}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_no_action_is_a_wildcard(synthesised: Templates) -> None:
    for policy in synthesised.resources("AWS::IAM::Policy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            for action in listed(statement["Action"]):
                assert "*" not in action, f"{policy}: {action}"


def test_every_resource_is_named_but_for_actions_that_know_none(synthesised: Templates) -> None:
    for policy in synthesised.resources("AWS::IAM::Policy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= UNNARROWED.keys(), policy
                if "ecs:ListTasks" in listed(statement["Action"]):
                    assert "ecs:cluster" in statement["Condition"]["ArnEquals"]


def test_every_function_has_a_role_of_its_own_without_managed_policies(synthesised: Templates) -> None:
    roles = set()
    for function in synthesised.resources("AWS::Lambda::Function"):
        role = synthesised.referred(function.stack, function.properties["Role"])
        assert "ManagedPolicyArns" not in role.properties, role
        roles.add(str(role))
    assert len(roles) == len(synthesised.resources("AWS::Lambda::Function"))


def test_only_functions_that_are_told_of_a_secret_may_read_it_and_only_one_writes(synthesised: Templates) -> None:
    for function in synthesised.resources("AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        told = {
            str(synthesised.referred(function.stack, value))
            for name, value in variables.items()
            if name.endswith("_SECRET")
        }
        role = synthesised.referred(function.stack, function.properties["Role"])
        read = set()
        for statement in synthesised.statements(role):
            actions = listed(statement["Action"])
            if any(action.startswith("secretsmanager:") for action in actions):
                read |= {str(synthesised.referred(role.stack, each)) for each in listed(statement["Resource"])}
                if "secretsmanager:PutSecretValue" in actions:
                    assert function.properties["Handler"] in (
                        "functions.signing_keys.handler.handler",
                        "functions.playback_keys.handler.handler",
                        "functions.hook_secret.handler.handler",
                    )
        assert read == told, function


def test_workers_may_be_started_only_with_their_own_roles(synthesised: Templates) -> None:
    dispatch = synthesised.function("transcode_dispatch")
    role = synthesised.referred(dispatch.stack, dispatch.properties["Role"])
    [passing] = [each for each in synthesised.statements(role) if each["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    [definition] = synthesised.resources("AWS::ECS::TaskDefinition")
    passed = {str(synthesised.referred(role.stack, each)) for each in listed(passing["Resource"])}
    assert passed == {
        str(synthesised.referred(definition.stack, definition.properties[name]))
        for name in ("TaskRoleArn", "ExecutionRoleArn")
    }


def test_a_worker_that_was_taken_over_by_what_it_decodes_could_remove_nothing(synthesised: Templates) -> None:
    [definition] = synthesised.resources("AWS::ECS::TaskDefinition")
    role = synthesised.referred(definition.stack, definition.properties["TaskRoleArn"])
    actions = {action for statement in synthesised.statements(role) for action in listed(statement["Action"])}
    assert {"s3:PutObject", "dynamodb:PutItem"} <= actions
    assert [action for action in actions if "Delete" in action or "secretsmanager" in action] == []


def test_the_http_api_routes_what_exists_and_lets_listed_origins_in(synthesised: Templates) -> None:
    [api] = [
        each
        for each in synthesised.resources("AWS::ApiGatewayV2::Api")
        if each.properties["ProtocolType"] == "HTTP" and each.stack.endswith("-api")
    ]
    routes = {
        each.properties["RouteKey"]
        for each in synthesised.resources("AWS::ApiGatewayV2::Route")
        if synthesised.referred(each.stack, each.properties["ApiId"]) == api
    }
    assert routes == {
        "ANY /v1/{proxy+}",
        "POST /v1/auth/{proxy+}",
        "GET /.well-known/jwks.json",
    }
    assert api.properties["CorsConfiguration"]["AllowOrigins"] == ["http://127.0.0.1:8080"]
    assert "AllowCredentials" not in api.properties["CorsConfiguration"]


def test_every_service_that_product_code_asks_for_is_described_in_its_bundle() -> None:
    """botocore's descriptions of all other services are left out of the bundles."""
    import re

    from infra.bundling import SPOKEN_SERVICES

    asked = set()
    for folder in ("headwater", "functions"):
        for path in (ROOT / folder).rglob("*.py"):
            asked |= set(re.findall(r"\b(?:create_|aws\.|\b)client\(\s*\"([a-z0-9-]+)\"", path.read_text()))
    assert asked, "the pattern finds nothing any more"
    assert asked <= SPOKEN_SERVICES


def test_mail_goes_out_from_one_identity_by_one_function(synthesised: Templates) -> None:
    [identity] = synthesised.resources("AWS::SES::EmailIdentity")
    function = synthesised.function("account_mail")
    sender = function.properties["Environment"]["Variables"]["MAIL_SENDER"]
    assert sender.endswith(f"@{identity.properties['EmailIdentity']}>")
    senders = [
        (policy.stack, statement["Resource"])
        for policy in synthesised.resources("AWS::IAM::Policy")
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if "ses:SendEmail" in listed(statement["Action"])
    ]
    [(stack, resource)] = senders
    assert stack == function.stack
    assert {"Ref": identity.logical_id} in resource["Fn::Join"][1]
