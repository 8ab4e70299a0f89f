"""What must not be lost: hot state, media, secrets, and the function that brings the database's schema up to date."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from aws_cdk import CfnOutput, CustomResource, Duration, SecretValue, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config.stage import Stage
from infra.constructs.cache import Cache
from infra.constructs.control_plane import ControlPlane, table
from infra.constructs.database import Database
from infra.constructs.kept_store import PrivateBucket, removal_policy
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.stacks.network import NetworkStack

ROOMS_INDEX = "by_connection"
MIGRATIONS = Path(__file__).parents[2] / "migrations" / "versions"


class DataStack(Stack):
    """The stores that every other stack is given."""

    def __init__(
        self, scope: Construct, construct_id: str, *, deployment: Deployment, network: NetworkStack | None
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        self.control_plane = ControlPlane(
            self,
            "ControlPlane",
            stage=stage,
            cluster_arn=self.format_arn(service="ecs", resource="cluster", resource_name=stage.cluster_name),
        )
        self.connections = table(
            self, "Connections", stage=stage, key="stream_id", sort_key="connection_id", expires=True
        )
        self.connections.add_global_secondary_index(
            index_name=ROOMS_INDEX,
            partition_key=dynamodb.Attribute(name="connection_id", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="stream_id", type=dynamodb.AttributeType.STRING),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        self.rooms = table(self, "Rooms", stage=stage, key="room", sort_key="item", expires=True)
        self.answered_requests = table(self, "AnsweredRequests", stage=stage, key="id", expires=True)
        self.media = _media_bucket(self, stage)
        stores = None if network is None else network.stores
        self.database = Database(self, "Database", stage=stage, placement=stores)
        self.cache = Cache(self, "Cache", stage=stage, placement=stores)
        self.stream_key_secret = _generated_secret(self, "StreamKeySecret", "derives every stream key", stage)
        self.hook_secret = _generated_secret(self, "HookSecret", "signs the hooks of ingest nodes", stage)
        self.token_keys_secret = secretsmanager.Secret(
            self,
            "TokenKeys",
            description="Headwater: signs access tokens; made and rotated by functions/signing_keys",
            secret_string_value=SecretValue.unsafe_plain_text('{"keys": []}'),
            removal_policy=removal_policy(stage),
        )
        self.oauth_clients_secret = _oauth_clients_secret(self, stage)
        self.playback_keys_secret = secretsmanager.Secret(
            self,
            "PlaybackKeys",
            description="Headwater: signs access to private media; made and rotated by functions/playback_keys",
            secret_string_value=SecretValue.unsafe_plain_text('{"keys": []}'),
            removal_policy=removal_policy(stage),
        )
        self.playback_keys = ServiceFunction(
            self,
            "PlaybackKeysMaker",
            deployment=deployment,
            name="playback_keys",
            environment={"PLAYBACK_KEYS_SECRET": self.playback_keys_secret.secret_arn},
            timeout_seconds=30,
        )
        self.playback_keys.may(
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], self.playback_keys_secret.secret_arn
        )
        self.schema_migration = ServiceFunction(
            self,
            "SchemaMigration",
            deployment=deployment,
            name="schema_migration",
            environment=self.database.environment,
            timeout_seconds=600,
        )
        self.database.let_log_in(self.schema_migration)
        self._migrate()

        CfnOutput(self, "MediaBucket", value=self.media.bucket_name)
        CfnOutput(self, "StreamTable", value=self.control_plane.streams.table_name)
        CfnOutput(self, "LeaseTable", value=self.control_plane.leases.table_name)
        CfnOutput(self, "SegmentTable", value=self.control_plane.timeline.table_name)
        CfnOutput(self, "ConnectionTable", value=self.connections.table_name)
        CfnOutput(self, "HookSecretArn", value=self.hook_secret.secret_arn)
        CfnOutput(self, "StreamKeySecretArn", value=self.stream_key_secret.secret_arn)
        if self.oauth_clients_secret is not None:
            CfnOutput(self, "OauthClientsSecretArn", value=self.oauth_clients_secret.secret_arn)
        CfnOutput(self, "PlaybackKeysSecretArn", value=self.playback_keys_secret.secret_arn)
        CfnOutput(self, "PlaybackKeysFunction", value=self.playback_keys.function.function_name)
        CfnOutput(self, "SchemaMigrationFunction", value=self.schema_migration.function.function_name)

    def _migrate(self) -> None:
        """Before traffic moves: whoever uses the database is in a later stack, and that waits for the whole of this one.

        A migration that fails takes this stack back to what it was, and touches no other (docs/deploy.md).
        """
        schema = CustomResource(
            self,
            "Schema",
            resource_type="Custom::DatabaseSchema",
            service_token=self.schema_migration.function.function_arn,
            service_timeout=Duration.seconds(self.schema_migration.timeout_seconds + 60),
            # Another set of migrations is another property, and so an update.
            properties={"Setting": self.database.setting, "Migrations": _digest_of(MIGRATIONS)},
        )
        schema.node.add_dependency(self.database, self.schema_migration)


def _digest_of(folder: Path) -> str:
    hashed = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        hashed.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()


def _media_bucket(scope: Construct, stage: Stage) -> s3.Bucket:
    """Private: viewers come through the CDN only, which answers CORS for it. Nothing in it expires by age, for recordings stay
    until deleted."""
    return PrivateBucket(
        scope,
        "Media",
        stage=stage,
        lifecycle_rules=[s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(1))],
        policy_elsewhere=stage.delivery is not None,
    )


def _oauth_clients_secret(scope: Construct, stage: Stage) -> secretsmanager.Secret | None:
    """What the deployment proves itself with to sign-in providers, by their names. None where there are none: it costs."""
    if not stage.sign_in_providers:
        return None
    given = {each.name: each.client_secret for each in stage.sign_in_providers if each.client_secret is not None}
    return secretsmanager.Secret(
        scope,
        "OauthClients",
        description="Headwater: client secrets of the sign-in providers, {name: secret}; put in after the deployment",
        secret_string_value=SecretValue.unsafe_plain_text(json.dumps(given)),
        removal_policy=removal_policy(stage),
    )


def _generated_secret(scope: Construct, construct_id: str, purpose: str, stage: Stage) -> secretsmanager.Secret:
    return secretsmanager.Secret(
        scope,
        construct_id,
        description=f"Headwater: {purpose}",
        generate_secret_string=secretsmanager.SecretStringGenerator(
            secret_string_template="{}",  # noqa: S106
            generate_string_key="secret",
            password_length=64,
            exclude_punctuation=True,
        ),
        removal_policy=removal_policy(stage),
    )
