"""Stage 7 · the HTTP API: REST for apps, the hooks' route, and the history that follows every broadcast into SQL."""

from __future__ import annotations

import dataclasses
import json

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as event_targets
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as schedule_targets
from constructs import Construct

from headwater.contracts import EVENT_SOURCE
from infra.config import Stage
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.constructs.work_queue import WorkQueue
from infra.stacks.chat import ChatStack
from infra.stacks.data import DataStack
from infra.stacks.ingest import IngestStack


class ApiStack(Stack):
    """Routes name what exists; every other path is refused by API Gateway without waking a function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: Deployment,
        data: DataStack,
        ingest: IngestStack,
        chat: ChatStack,
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        control_plane = data.control_plane
        self.api = ServiceFunction(
            self,
            "Rest",
            deployment=deployment,
            name="api",
            environment={
                **control_plane.environment,
                "DATABASE_SECRET": data.database_secret.secret_arn,
                "STREAM_KEY_SECRET": data.stream_key_secret.secret_arn,
                "TOKEN_KEYS_SECRET": data.token_keys_secret.secret_arn,
                "CONNECTION_TABLE": data.connections.table_name,
                "CHAT_CALLBACK_URL": chat.callback_url,
                "CACHE_URL": stage.cache_url,
                "CDN_URL": stage.urls.cdn,
                "WS_URL": stage.urls.ws,
                "RTMP_URLS": ",".join(stage.urls.rtmp),
                "API_URL": stage.urls.api,
                "WEB_URL": stage.urls.web,
                "TOKEN_ISSUER": stage.urls.api,
                **_sign_in_providers(stage, data),
                "REGISTRATIONS_PER_MINUTE": str(stage.limits.registrations_per_minute),
                "LOGINS_PER_MINUTE": str(stage.limits.logins_per_minute),
            },
            timeout_seconds=15,
            memory_mib=1769,
        )
        control_plane.let_commit(self.api)
        chat.let_end_sockets(self.api, data)
        self.api.may(
            "secretsmanager:GetSecretValue",
            data.database_secret.secret_arn,
            data.stream_key_secret.secret_arn,
            data.token_keys_secret.secret_arn,
        )

        if data.oauth_clients_secret is not None:
            self.api.may("secretsmanager:GetSecretValue", data.oauth_clients_secret.secret_arn)

        self.signing_keys = ServiceFunction(
            self,
            "SigningKeys",
            deployment=deployment,
            name="signing_keys",
            environment={"TOKEN_KEYS_SECRET": data.token_keys_secret.secret_arn},
            timeout_seconds=30,
        )
        self.signing_keys.may(
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], data.token_keys_secret.secret_arn
        )
        scheduler.Schedule(
            self,
            "EveryMonth",
            schedule=scheduler.ScheduleExpression.rate(Duration.days(30)),
            target=schedule_targets.LambdaInvoke(
                self.signing_keys.function, input=scheduler.ScheduleTargetInput.from_object({"action": "rotate"})
            ),
        )

        # The database may be away for a night. A thousand attempts, the most that SQS allows, are 16 hours; what is left
        # then waits among the dead letters until the 14th day after it was sent, and can be sent back.
        self.history_queue = WorkQueue(self, "HistoryQueue", stage=stage, visibility_seconds=60, attempts=1000)
        self.history = ServiceFunction(
            self,
            "History",
            deployment=deployment,
            name="broadcast_history",
            environment={"DATABASE_SECRET": data.database_secret.secret_arn},
            timeout_seconds=10,
        )
        self.history.may("secretsmanager:GetSecretValue", data.database_secret.secret_arn)
        self.history.consume(self.history_queue, batch_size=10)
        events.Rule(
            self,
            "BroadcastChanged",
            event_bus=control_plane.bus,
            event_pattern=events.EventPattern(source=[EVENT_SOURCE]),
            targets=[
                event_targets.SqsQueue(self.history_queue.queue, dead_letter_queue=self.history_queue.dead_letters)
            ],
        )

        self.http_api = apigateway.HttpApi(
            self,
            "Http",
            description="Headwater REST and ingest hooks",
            # Answered by the gateway: a preflight wakes no function, and what a function says of CORS is ignored.
            cors_preflight=apigateway.CorsPreflightOptions(
                allow_origins=list(stage.cors_origins),
                allow_methods=[apigateway.CorsHttpMethod.ANY],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
                expose_headers=["Retry-After"],
                max_age=Duration.hours(2),
            ),
        )
        rest = integrations.HttpLambdaIntegration("RestIntegration", self.api.function)
        hooks = integrations.HttpLambdaIntegration("HooksIntegration", ingest.hooks.function)
        self.http_api.add_routes(path="/v1/{proxy+}", methods=[apigateway.HttpMethod.ANY], integration=rest)
        self.http_api.add_routes(path="/.well-known/jwks.json", methods=[apigateway.HttpMethod.GET], integration=rest)
        self.http_api.add_routes(
            path="/ingest/hooks/nginx-rtmp", methods=[apigateway.HttpMethod.POST], integration=hooks
        )

        CfnOutput(self, "HttpApiId", value=self.http_api.api_id)
        CfnOutput(self, "SigningKeysFunction", value=self.signing_keys.function.function_name)


def _sign_in_providers(stage: Stage, data: DataStack) -> dict[str, str]:
    if data.oauth_clients_secret is None:
        return {}
    public = [
        {
            name: value
            for name, value in dataclasses.asdict(each).items()
            if name != "client_secret" and value is not None
        }
        for each in stage.sign_in_providers
    ]
    return {"OAUTH_PROVIDERS": json.dumps(public), "OAUTH_CLIENTS_SECRET": data.oauth_clients_secret.secret_arn}
