"""Stage 7 · PostgreSQL: a cluster of our own that nobody reaches but functions of ours, or one that is there already."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy, SecretValue
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.bundling import AUTHORITIES
from infra.config.database import Aurora, ExistingDatabase
from infra.config.stage import Stage
from infra.constructs.control_plane import Grantee
from infra.constructs.kept_store import removal_policy
from infra.constructs.placement import StorePlacement

PORTS = (5432, 5432)
NAME = "headwater"
VERSION = rds.AuroraPostgresEngineVersion.VER_17_9
# Said, for RDS would choose one by what the account has made its default; RDS renews the certificates that it signs itself.
AUTHORITY = rds.CaCertificate.RDS_CA_RSA2048_G1


class Database(Construct):
    """`environment` says where it is, which secret opens it and whom it has to be certified by; `setting` is what a deployer
    calls that.

    RDS makes the password of a cluster of ours, keeps it in a secret of its own, and changes it every seven days
    (docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html). `cluster` is None for an existing database.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, placement: StorePlacement | None) -> None:
        super().__init__(scope, construct_id)
        self.cluster: rds.DatabaseCluster | None = None
        if isinstance(stage.database, ExistingDatabase):
            self.secret, self.setting = _secret_of_existing(self, stage.database, stage)
            self.environment = {"DATABASE_SECRET": self.secret.secret_arn}
            if stage.database.verify_certificate:
                self.environment["DATABASE_AUTHORITIES"] = AUTHORITIES
            if placement is not None and stage.database.security_group is not None:
                placement.open_existing(self, stage.database.security_group, PORTS)
            return
        if placement is None:
            raise TypeError("Stage has checked that there is a network for a database of ours")
        self.cluster = _cluster(self, stage.database, stage, placement)
        if self.cluster.secret is None:
            raise TypeError("RDS keeps the password in a secret")
        self.secret, self.setting = self.cluster.secret, "database"
        self.environment = {
            "DATABASE_SECRET": self.secret.secret_arn,
            "DATABASE_ADDRESS": f"{self.cluster.cluster_endpoint.socket_address}/{NAME}",
            "DATABASE_AUTHORITIES": AUTHORITIES,
        }

    def let_log_in(self, grantee: Grantee) -> None:
        grantee.may("secretsmanager:GetSecretValue", self.secret.secret_arn)


def _secret_of_existing(
    scope: Construct, database: ExistingDatabase, stage: Stage
) -> tuple[secretsmanager.ISecret, str]:
    if database.secret_arn is not None:
        found = secretsmanager.Secret.from_secret_complete_arn(scope, "Secret", database.secret_arn)
        return found, "database.secret_arn"
    if database.url is None:
        raise TypeError("ExistingDatabase has checked that one of them is set")
    made = secretsmanager.Secret(
        scope,
        "Secret",
        description="Headwater: where the database is",
        secret_object_value={"url": SecretValue.unsafe_plain_text(database.url)},
        removal_policy=removal_policy(stage),
    )
    return made, "database.url"


def _cluster(scope: Construct, aurora: Aurora, stage: Stage, placement: StorePlacement) -> rds.DatabaseCluster:
    sleeps = aurora.min_acu == 0
    return rds.DatabaseCluster(
        scope,
        "Aurora",
        engine=rds.DatabaseClusterEngine.aurora_postgres(version=VERSION),
        default_database_name=NAME,
        manage_master_user_password=True,
        credentials=rds.Credentials.from_username(NAME),
        writer=rds.ClusterInstance.serverless_v2("Writer", publicly_accessible=False, ca_certificate=AUTHORITY),
        readers=[
            # As large as the writer at every moment, so that whichever takes over has its pages in memory.
            rds.ClusterInstance.serverless_v2(
                f"Reader{number}", publicly_accessible=False, scale_with_writer=True, ca_certificate=AUTHORITY
            )
            for number in range(1, aurora.readers + 1)
        ],
        serverless_v2_min_capacity=aurora.min_acu,
        serverless_v2_max_capacity=aurora.max_acu,
        serverless_v2_auto_pause_duration=Duration.seconds(aurora.pause_after_seconds) if sleeps else None,
        vpc=placement.vpc,
        vpc_subnets=ec2.SubnetSelection(subnets=list(placement.subnets)),
        security_groups=[placement.opened(scope, "PostgreSQL, for functions", PORTS)],
        parameters={"rds.force_ssl": "1"},
        storage_encrypted=True,
        copy_tags_to_snapshot=True,
        backup=rds.BackupProps(retention=Duration.days(aurora.backup_days)),
        deletion_protection=stage.keep_data,
        # Where data is kept, a last snapshot is: a cluster that stayed behind would go on costing by the hour.
        removal_policy=RemovalPolicy.SNAPSHOT if stage.keep_data else RemovalPolicy.DESTROY,
    )
