"""Stage 7 · the HTTP API: REST for apps, and the history that follows every broadcast into SQL."""

from __future__ import annotations

import dataclasses
import json

from aws_cdk import CfnOutput, CustomResource, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_ses as ses
from constructs import Construct

from headwater.contracts import EVENT_SOURCE
from infra.config.stage import Stage
from infra.config.values import WebAddresses
from infra.constructs.gateway import HttpGateway
from infra.constructs.personal_data import PersonalData
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
        web: WebAddresses,
    ) -> None:
        super().__init__(scope, construct_id)
        self._open_gateway(deployment.stage, web)
        urls = deployment.stage.urls
        self.address = urls.api if urls is not None else self.gateway.address
        self.mail_queue = WorkQueue(
            self, "AccountMailQueue", stage=deployment.stage, visibility_seconds=180, attempts=20
        )
        self.personal_data = PersonalData(
            self,
            "PersonalData",
            deployment=deployment,
            media=data.media,
            rooms=data.rooms,
            database=data.database,
            web=web,
        )
        self._answer_calls(deployment, data, ingest, chat, web)
        self._make_administrators(deployment, data)
        self._write_to_people(deployment, data, web)
        self._rotate_keys(deployment, data)
        self._expire_recordings(deployment, data)
        self._write_history(deployment, data)
        self._route_calls(deployment.stage)

        CfnOutput(self, "HttpApiId", value=self.gateway.api.api_id)
        CfnOutput(self, "GrantAdminFunction", value=self.grant_admin.function.function_name)
        CfnOutput(self, "SigningKeysFunction", value=self.signing_keys.function.function_name)

    def _answer_calls(
        self, deployment: Deployment, data: DataStack, ingest: IngestStack, chat: ChatStack, web: WebAddresses
    ) -> None:
        stage, control_plane = deployment.stage, data.control_plane
        self.api = ServiceFunction(
            self,
            "Rest",
            deployment=deployment,
            name="api",
            environment={
                **control_plane.environment,
                **self.personal_data.environment,
                **data.database.environment,
                "STREAM_KEY_SECRET": data.stream_key_secret.secret_arn,
                "TOKEN_KEYS_SECRET": data.token_keys_secret.secret_arn,
                "CONNECTION_TABLE": data.connections.table_name,
                "ROOM_TABLE": data.rooms.table_name,
                "CHAT_DELIVERY_QUEUE_URL": chat.delivery_queue.url,
                "CHAT_ARCHIVE_QUEUE_URL": chat.archive_queue.url,
                "CHAT_STATUS_QUEUE_URL": chat.status_queue.url,
                "CHAT_CALLBACK_URL": chat.callback_url,
                "ACCOUNT_MAIL_QUEUE_URL": self.mail_queue.url,
                "LEASE_TABLE": control_plane.leases.table_name,
                "SEGMENT_TABLE": control_plane.timeline.table_name,
                "MEDIA_BUCKET": data.media.bucket_name,
                "CLIPS_PER_MINUTE": str(stage.limits.clips_per_minute),
                "PLAYBACK_KEYS_SECRET": data.playback_keys_secret.secret_arn,
                "PLAYBACK_SESSIONS_PER_MINUTE": str(stage.limits.playback_sessions_per_minute),
                "CACHE_URL": data.cache.url,
                "CDN_URL": web.cdn,
                "WS_URL": chat.address,
                **ingest.api_environment,
                "API_URL": self.address,
                "WEB_URL": web.page,
                "TOKEN_ISSUER": self.address,
                **_sign_in_providers(stage, data),
                "IDEMPOTENCY_TABLE": data.answered_requests.table_name,
                "STREAMS_PER_USER": str(stage.limits.streams_per_user),
                "REGISTRATIONS_PER_MINUTE": str(stage.limits.registrations_per_minute),
                "LOGINS_PER_MINUTE": str(stage.limits.logins_per_minute),
                "MAILS_PER_HOUR": str(stage.limits.mails_per_hour),
            },
            timeout_seconds=15,
            memory_mib=1769,
            at_once=stage.api.concurrency.api,
        )
        control_plane.let_commit(self.api)
        # Clips: read a broadcast's timeline, write and delete the clip's manifests.
        self.api.may("dynamodb:Query", control_plane.timeline.table_arn)
        self.api.may(["s3:PutObject", "s3:DeleteObject"], data.media.arn_for_objects("*/clips/*"))
        self.api.may("s3:DeleteObject", data.media.arn_for_objects("emotes/*"))
        self.api.may("s3:ListBucket", data.media.bucket_arn)
        self.personal_data.let_ask(self.api)
        self.api.may(
            ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
            data.answered_requests.table_arn,
        )
        chat.let_end_sockets(self.api, data)
        chat.let_keep_rooms(self.api, data)
        rooms_are_told_by = (chat.delivery_queue.arn, chat.status_queue.arn, chat.archive_queue.arn)
        self.api.may("sqs:SendMessage", self.mail_queue.arn, *rooms_are_told_by)
        data.database.let_log_in(self.api)
        self.api.may(
            "secretsmanager:GetSecretValue",
            data.stream_key_secret.secret_arn,
            data.token_keys_secret.secret_arn,
            data.playback_keys_secret.secret_arn,
        )

        if data.oauth_clients_secret is not None:
            self.api.may("secretsmanager:GetSecretValue", data.oauth_clients_secret.secret_arn)

    def _make_administrators(self, deployment: Deployment, data: DataStack) -> None:
        self.grant_admin = ServiceFunction(
            self,
            "GrantAdmin",
            deployment=deployment,
            name="grant_admin",
            environment=data.database.environment,
            timeout_seconds=30,
        )
        data.database.let_log_in(self.grant_admin)

    def _write_to_people(self, deployment: Deployment, data: DataStack, web: WebAddresses) -> None:
        stage = deployment.stage
        self.account_mail = ServiceFunction(
            self,
            "AccountMail",
            deployment=deployment,
            name="account_mail",
            environment={
                **data.database.environment,
                "MAIL_SENDER": stage.mail_sender,
                "WEB_URL": web.page,
            },
            timeout_seconds=30,
        )
        data.database.let_log_in(self.account_mail)
        self.mail_identity = ses.EmailIdentity(self, "MailIdentity", identity=ses.Identity.domain(stage.mail_domain))
        self.account_mail.may("ses:SendEmail", self.mail_identity.email_identity_arn)
        self.account_mail.consume(self.mail_queue, batch_size=1, at_once=stage.api.concurrency.writers)

    def _rotate_keys(self, deployment: Deployment, data: DataStack) -> None:
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
        self.signing_keys.run_every(
            Duration.days(30),
            name="EveryMonth",
            attempts=3,
            give_up_after=Duration.hours(6),
            event={"action": "rotate"},
        )
        first = CustomResource(
            self,
            "FirstKey",
            resource_type="Custom::TokenKeys",
            service_token=self.signing_keys.function.function_arn,
            service_timeout=Duration.minutes(5),
        )
        first.node.add_dependency(self.signing_keys)  # with what it may do

    def _expire_recordings(self, deployment: Deployment, data: DataStack) -> None:
        """Every hour, where the stage says how long recordings are kept."""
        stage, control_plane = deployment.stage, data.control_plane
        self.expiry = ServiceFunction(
            self,
            "RecordingExpiry",
            deployment=deployment,
            name="recording_expiry",
            environment={
                **control_plane.environment,
                **data.database.environment,
                "RECORDING_RETENTION_DAYS": str(stage.recording_retention_days or 0),
            },
            timeout_seconds=60,
        )
        control_plane.let_commit(self.expiry)
        data.database.let_log_in(self.expiry)
        if stage.recording_retention_days is not None:
            # Not repeated: the next hour brings the next look.
            self.expiry.run_every(Duration.hours(1), name="EveryHour", attempts=1, give_up_after=Duration.minutes(30))

    def _write_history(self, deployment: Deployment, data: DataStack) -> None:
        stage = deployment.stage
        # The database may be away for a night. A thousand attempts, the most that SQS allows, are 16 hours; what is left
        # then waits among the dead letters until the 14th day after it was sent, and can be sent back.
        self.history_queue = WorkQueue(self, "HistoryQueue", stage=stage, visibility_seconds=60, attempts=1000)
        self.history = ServiceFunction(
            self,
            "History",
            deployment=deployment,
            name="broadcast_history",
            environment=data.database.environment,
            timeout_seconds=10,
        )
        data.database.let_log_in(self.history)
        self.history.consume(self.history_queue, batch_size=10, at_once=stage.api.concurrency.writers)
        data.control_plane.forward(EVENT_SOURCE, self.history_queue, rule=(self, "BroadcastChanged"))

    def _open_gateway(self, stage: Stage, web: WebAddresses) -> None:
        self.gateway = HttpGateway(
            self,
            "Http",
            stage=stage,
            description="Headwater REST",
            default=stage.api.throttles.reads_and_writes,
            domain=stage.api.domain,
            # Answered by the gateway: a preflight wakes no function, and what a function says of CORS is ignored.
            cors=apigateway.CorsPreflightOptions(
                allow_origins=list(web.origins),
                allow_methods=[apigateway.CorsHttpMethod.ANY],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
                expose_headers=["Retry-After"],
                max_age=Duration.hours(2),
            ),
        )

    def _route_calls(self, stage: Stage) -> None:
        throttles, method = stage.api.throttles, apigateway.HttpMethod
        self.gateway.route("/v1/{proxy+}", method.ANY, self.api, throttle=throttles.reads_and_writes)
        # Of two routes that fit, API Gateway takes the one that says more.
        self.gateway.route("/v1/auth/{proxy+}", method.POST, self.api, throttle=throttles.signing_in)
        self.gateway.route("/.well-known/jwks.json", method.GET, self.api, throttle=throttles.token_keys)


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
