"""Stage 7 · the two kinds of API Gateway in front of functions: what each route lets in, what is written of it, its name.

An access log names exactly the fields below. There is no query in it (a chat ticket is one), no header (tokens, cookies), no
body, and not even the path: that is what somebody has typed, and one day it is a stream key. The request's id leads to what
the function has logged of it, which is redacted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as account_gateway
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from infra.config.api import OwnDomain, Throttle
from infra.config.stage import Stage
from infra.constructs.service_function import ServiceFunction, log_retention

# docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
HTTP_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "ms": "$context.responseLatency",
    "function_ms": "$context.integrationLatency",
    "error": "$context.error.responseType",
}
# …/apigateway-websocket-api-logging.html
SOCKET_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "connection": "$context.connectionId",
    "event": "$context.eventType",
    "route": "$context.routeKey",
    "status": "$context.status",
    "function_ms": "$context.integrationLatency",
    "error": "$context.error.responseType",
}


class HttpGateway(Construct):
    """An HTTP API whose routes name what exists; every other path is refused without waking a function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        description: str,
        default: Throttle,
        cors: apigateway.CorsPreflightOptions | None = None,
        domain: OwnDomain | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            description=description,
            cors_preflight=cors,
            ip_address_type=apigateway.IpAddressType.DUAL_STACK,
            create_default_stage=False,
            disable_execute_api_endpoint=domain is not None,
        )
        self.stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.api_id,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=_access_log(self, stage, HTTP_LOG),
            default_route_settings=_settings(default),
        )
        if domain is None:
            self.address = self.api.api_endpoint
        else:
            _serve_under(self, domain, self.api.api_id, self.stage)
            self.address = f"https://{domain.name}"

    def route(
        self, path: str, method: apigateway.HttpMethod, function: ServiceFunction, *, throttle: Throttle | None = None
    ) -> None:
        """`throttle`: other than the default of all routes."""
        routes = self.api.add_routes(
            path=path,
            methods=[method],
            integration=integrations.HttpLambdaIntegration(f"To{function.node.id}", function.function),
        )
        if throttle is not None:
            _throttle(self.stage, f"{method.value} {path}", throttle, routes)


class SocketGateway(Construct):
    """A WebSocket API: one function answers whatever comes."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, stage_name: str, description: str) -> None:
        super().__init__(scope, construct_id)
        domain = stage.api.chat_domain
        self.api = apigateway.WebSocketApi(
            self,
            "Api",
            description=description,
            route_selection_expression="$request.body.action",
            # Functions that post to sockets reach this address by IPv6 alone (docs/network.md).
            ip_address_type=apigateway.IpAddressType.DUAL_STACK,
        )
        made = self.api.node.default_child
        if not isinstance(made, apigateway.CfnApi):
            raise TypeError("an L2 API is made of an L1 API")
        made.disable_execute_api_endpoint = domain is not None
        logged = stage.api.sockets_log != "off"
        self.stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.api_id,
            stage_name=stage_name,
            auto_deploy=True,
            access_log_settings=_access_log(self, stage, SOCKET_LOG) if logged else None,
            default_route_settings=_settings(stage.api.throttles.frames),
        )
        if stage.api.sockets_log == "new_role":
            self.stage.node.add_dependency(_role_that_writes_logs(self))
        host = f"{self.api.api_id}.execute-api.{Stack.of(self).region}.{Stack.of(self).url_suffix}"
        self.address, self.callback_url = f"wss://{host}/{stage_name}", f"https://{host}/{stage_name}"
        if domain is not None:
            # The mapping has no path, so the name stands for the stage, for `@connections`, too.
            _serve_under(self, domain, self.api.api_id, self.stage)
            self.address, self.callback_url = f"wss://{domain.name}", f"https://{domain.name}"

    def route(self, key: str, function: ServiceFunction, *, throttle: Throttle, answers: bool) -> None:
        """`answers`: what the function returns is sent to who asked."""
        made = self.api.add_route(
            key,
            integration=integrations.WebSocketLambdaIntegration(
                f"{key.strip('$').title()}Integration", function.function
            ),
            return_response=answers,
        )
        _throttle(self.stage, key, throttle, [made])


def _access_log(
    scope: Construct, stage: Stage, fields: dict[str, str]
) -> apigateway.CfnStage.AccessLogSettingsProperty:
    group = logs.LogGroup(scope, "AccessLog", retention=log_retention(stage), removal_policy=RemovalPolicy.DESTROY)
    return apigateway.CfnStage.AccessLogSettingsProperty(
        destination_arn=group.log_group_arn, format=json.dumps(fields, separators=(",", ":"))
    )


def _settings(throttle: Throttle) -> apigateway.CfnStage.RouteSettingsProperty:
    return apigateway.CfnStage.RouteSettingsProperty(
        throttling_rate_limit=throttle.per_second, throttling_burst_limit=throttle.burst
    )


def _throttle(stage: apigateway.CfnStage, key: str, throttle: Throttle, routes: Sequence[IDependable]) -> None:
    known = dict(stage.route_settings or {})
    # As CloudFormation has it, for the property is a JSON object to it, and nobody translates its names.
    known[key] = {"ThrottlingRateLimit": throttle.per_second, "ThrottlingBurstLimit": throttle.burst}
    stage.route_settings = known
    for route in routes:
        # Or: "Unable to find Route by key … within the provided RouteSettings".
        stage.node.add_dependency(route)


def _serve_under(scope: Construct, domain: OwnDomain, api_id: str, stage: apigateway.CfnStage) -> None:
    name = apigateway.DomainName(
        scope,
        "Domain",
        domain_name=domain.name,
        certificate=certificates.Certificate.from_certificate_arn(scope, "Certificate", domain.certificate_arn),
        security_policy=apigateway.SecurityPolicy.TLS_1_2,
    )
    mapping = apigateway.CfnApiMapping(scope, "Mapping", api_id=api_id, domain_name=name.name, stage=stage.stage_name)
    mapping.node.add_dependency(stage)
    CfnOutput(scope, "DomainTarget", value=name.regional_domain_name, description=f"lead {domain.name} here by DNS")


def _role_that_writes_logs(scope: Construct) -> account_gateway.CfnAccount:
    """One for the account and region. It stays when the stack goes, for other APIs may have come to rely on it."""
    role = iam.Role(
        scope,
        "LogWriter",
        assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
        # API Gateway refuses a role that may do less.
        managed_policies=[
            iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonAPIGatewayPushToCloudWatchLogs")
        ],
    )
    role.apply_removal_policy(RemovalPolicy.RETAIN)
    account = account_gateway.CfnAccount(scope, "Account", cloud_watch_role_arn=role.role_arn)
    account.apply_removal_policy(RemovalPolicy.RETAIN)
    return account
