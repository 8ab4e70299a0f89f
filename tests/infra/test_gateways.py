"""What stands before the functions lets in no more than it should, and writes down nothing that is secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from infra.config.errors import ConfigurationError
from tests.own_names import CERTIFICATE, OWN_NAMES
from tests.templates import Resource, Templates, stage_values

Stages = Callable[..., Templates]

# Of somebody's request nothing but these is ever written; what is in a query, a header, a body or a path is not.
WRITTEN = {
    "requestId", "requestTimeEpoch", "identity.sourceIp", "httpMethod", "routeKey", "status", "responseLength",
    "responseLatency", "integrationLatency", "error.responseType", "connectionId", "eventType",
}  # fmt: skip


def gateways(templates: Templates) -> list[tuple[Resource, Resource]]:
    """Every API with its stage."""
    return [
        (templates.referred(stage.stack, stage.properties["ApiId"]), stage)
        for stage in templates.resources("AWS::ApiGatewayV2::Stage")
    ]


def test_every_route_has_a_throttle(synthesised: Templates) -> None:
    for api, stage in gateways(synthesised):
        default = stage.properties["DefaultRouteSettings"]
        assert default["ThrottlingRateLimit"] >= 1, stage
        assert default["ThrottlingBurstLimit"] >= 1, stage
        routes = [
            each
            for each in synthesised.resources("AWS::ApiGatewayV2::Route")
            if synthesised.referred(each.stack, each.properties["ApiId"]) == api
        ]
        keys = {each.properties["RouteKey"] for each in routes}
        throttled = stage.properties.get("RouteSettings", {})
        assert throttled.keys() <= keys, "AWS refuses settings of a route that there is not"
        for key, settings in throttled.items():
            assert settings.keys() == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}
            [route] = [each for each in routes if each.properties["RouteKey"] == key]
            assert route.logical_id in stage.attributes["DependsOn"], "the route must be there before its settings"


def test_signing_in_is_throttled_harder_than_the_rest(synthesised: Templates) -> None:
    [settings] = [
        stage.properties["RouteSettings"]
        for _, stage in gateways(synthesised)
        if "POST /v1/auth/{proxy+}" in stage.properties.get("RouteSettings", {})
    ]
    signing_in, rest = settings["POST /v1/auth/{proxy+}"], settings["ANY /v1/{proxy+}"]
    assert signing_in["ThrottlingRateLimit"] < rest["ThrottlingRateLimit"]


def test_an_access_log_names_its_fields_and_none_of_them_can_hold_a_secret(synthesised: Templates) -> None:
    for _, stage in gateways(synthesised):
        settings = stage.properties["AccessLogSettings"]
        fields = json.loads(settings["Format"])  # a line is an object, whatever is in it
        named = [re.fullmatch(r"\$context\.([\w.]+)", value) for value in fields.values()]
        assert all(named), fields
        assert {match[1] for match in named if match} <= WRITTEN
        log = synthesised.referred(stage.stack, settings["DestinationArn"])
        assert log.properties["RetentionInDays"] >= 1


def test_no_function_has_an_address_of_its_own(synthesised: Templates) -> None:
    assert synthesised.resources("AWS::Lambda::Url") == []


def test_a_domain_of_ones_own_closes_the_address_that_the_gateway_made(of_stage: Stages) -> None:
    templates = of_stage("prod", **OWN_NAMES)
    named = {each.properties["DomainName"]: each for each in templates.resources("AWS::ApiGatewayV2::DomainName")}
    assert named.keys() == {"api.example.com", "chat.example.com"}
    for domain in named.values():
        [configured] = domain.properties["DomainNameConfigurations"]
        assert configured["CertificateArn"] == CERTIFICATE
        assert configured["SecurityPolicy"] == "TLS_1_2"
    mapped = [
        templates.referred(each.stack, each.properties["ApiId"])
        for each in templates.resources("AWS::ApiGatewayV2::ApiMapping")
    ]
    assert len(mapped) == 2
    for api in mapped:
        assert api.properties["DisableExecuteApiEndpoint"] is True, api
    callback = templates.function("chat_delivery").properties["Environment"]["Variables"]["CHAT_CALLBACK_URL"]
    assert callback == "https://chat.example.com", "the closed address would refuse what is sent to connections"


def test_who_has_no_domain_keeps_the_address_that_the_gateway_made(synthesised: Templates) -> None:
    assert synthesised.resources("AWS::ApiGatewayV2::DomainName") == []
    for api in synthesised.resources("AWS::ApiGatewayV2::Api"):
        assert not api.properties.get("DisableExecuteApiEndpoint"), api


def test_sockets_are_logged_by_a_role_of_the_account_that_outlives_the_stack(of_stage: Stages) -> None:
    templates = of_stage("prod")
    [account] = templates.resources("AWS::ApiGateway::Account")
    role = templates.referred(account.stack, account.properties["CloudWatchRoleArn"])
    assert account.attributes["DeletionPolicy"] == role.attributes["DeletionPolicy"] == "Retain"
    [stage] = [stage for _, stage in gateways(templates) if stage.stack == account.stack]
    assert account.logical_id in stage.attributes["DependsOn"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"throttles": {"frames": {"per_second": 0, "burst": 1}}}, r"api\.throttles\.frames\.per_second"),
        ({"throttles": {"frames": {"per_second": 1, "burst": 9999}}}, r"api\.throttles\.frames\.burst"),
        ({"concurrency": {"api": 0}}, r"api\.concurrency\.api"),
        ({"concurrency": {"writers": 1}}, r"api\.concurrency\.writers"),
        ({"domain": {"name": "https://x", "certificate_arn": "arn:aws:acm:x"}}, r"api\.domain\.name"),
        ({"chat_domain": {"name": "x.example.com", "certificate_arn": "x"}}, r"api\.chat_domain\.certificate_arn"),
        ({"sockets_log": "on"}, r"api\.sockets_log"),
    ],
)
def test_a_wrong_value_of_the_api_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        stage_values("prod", {"api": values})
