"""Every AWS API that a function in the network calls is one that it reaches without NAT, and the page says by which address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.session import get_session

from infra.aws_endpoints import ENDPOINTS
from tests.templates import ROOT, Resource, Templates

REGION = "eu-west-1"
# Lambda's own doing, with the role of the function but not from inside it.
BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
}
A_CALL: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "t", "Key": {"id": {"S": "x"}}}),
    "s3": ("put_object", {"Bucket": "media-bucket", "Key": "k", "Body": b""}),
    "secretsmanager": ("get_secret_value", {"SecretId": "s"}),
    "sqs": ("send_message", {"QueueUrl": f"https://sqs.{REGION}.amazonaws.com/123456789012/q", "MessageBody": "m"}),
    "events": ("put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}),
    "sesv2": ("send_email", {"Content": {}}),
}


@pytest.fixture(scope="module", params=["dev", "prod"])
def made(request: pytest.FixtureRequest, of_stage: Callable[..., Templates]) -> Templates:
    return of_stage(request.param)


def in_the_network(made: Templates) -> Iterator[tuple[str, Resource]]:
    for function in made.resources("AWS::Lambda::Function"):
        if "VpcConfig" in function.properties:
            yield function.properties["Handler"].split(".")[1], function


def called_by(made: Templates, function: Resource) -> set[str]:
    """The services that the function may call, by their prefix in IAM."""
    role = made.referred(function.stack, function.properties["Role"])
    actions = {
        action
        for statement in made.statements(role)
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    return {action.split(":")[0] for action in actions - BY_LAMBDA} - {"ec2"}  # its interfaces are Lambda's, too


def environment(function: Resource) -> dict[str, str]:
    """The variables that botocore reads."""
    variables = function.properties["Environment"]["Variables"]
    return {
        name: value
        if isinstance(value, str)
        else "".join(
            part if isinstance(part, str) else {"AWS::Region": REGION, "AWS::URLSuffix": "amazonaws.com"}[part["Ref"]]
            for part in value["Fn::Join"][1]
        )
        for name, value in variables.items()
        if name.startswith("AWS_")
    }


def asked_host(service: str) -> str:
    """The host that botocore sends a request of `service` to, in the environment as it is."""
    asked: list[str] = []

    def before_send(request: Any, **_: object) -> None:
        asked.append(re.sub(r"^https://([^/]+)/.*$", r"\1", request.url))
        raise InterruptedError

    session = get_session()
    session.set_credentials("AKIDEXAMPLE", "secret", account_id="123456789012")
    client = session.create_client(service, region_name=REGION)
    client.meta.events.register("before-send", before_send)
    operation, arguments = A_CALL[service]
    with pytest.raises(InterruptedError):
        getattr(client, operation)(**arguments)
    return asked[0]


def test_every_function_in_the_network_calls_only_what_it_reaches(made: Templates) -> None:
    for name, function in in_the_network(made):
        assert called_by(made, function) <= ENDPOINTS.keys(), name


def test_botocore_goes_where_the_table_says(made: Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for name, function in in_the_network(made):
        told = environment(function)
        services = called_by(made, function)
        if (key := (str(told), tuple(sorted(services)))) in seen:
            continue
        seen.add(key)
        with monkeypatch.context() as patch:
            for variable, value in told.items():
                patch.setenv(variable, value)
            for service in services:
                endpoint = ENDPOINTS[service]
                if endpoint.client is not None:
                    host = asked_host(endpoint.client).removeprefix("media-bucket.")
                    assert host == endpoint.host.format(region=REGION), (name, service)
    assert seen


def test_botocore_lists_what_the_table_says_that_it_lists() -> None:
    [aws] = [
        each
        for each in get_session().get_component("data_loader").load_data("endpoints")["partitions"]
        if each["partition"] == "aws"
    ]
    for service in ("s3", "secretsmanager", "sqs", "events"):
        variants = aws["services"][service]["endpoints"][REGION]["variants"]
        assert any(each["tags"] == ["dualstack"] for each in variants), service


def test_sockets_are_posted_to_by_ipv6(made: Templates) -> None:
    for api in made.resources("AWS::ApiGatewayV2::Api"):
        assert api.properties["IpAddressType"] == "dualstack", api


def test_the_page_says_what_each_function_calls_and_why_it_arrives(made: Templates) -> None:
    page = (ROOT / "docs" / "network.md").read_text()
    rows = {
        f"| `{name}` | {', '.join(f'`{service}`' for service in sorted(called_by(made, function))) or 'nothing'} |"
        for name, function in in_the_network(made)
    }
    facts = {f"| `{service}` | `{each.host}` | {each.way} | {each.evidence} |" for service, each in ENDPOINTS.items()}
    written = {line for line in page.splitlines() if line.startswith("| `")}
    assert sorted(written) == sorted(rows | facts)
