"""Stage 7 · files of people: what they upload, the avatars and emotes made of it, and copies of their data for themselves."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config.values import WebAddresses
from infra.constructs.database import Database
from infra.constructs.kept_store import PrivateBucket
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.constructs.work_queue import WorkQueue

PICTURES = ("avatars", "emotes")  # folders of both buckets


class PersonalData(Construct):
    """The bucket of uploads is no viewer's: no CDN leads there, and what lies in it is gone after a day at the latest."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: Deployment,
        media: s3.IBucket,
        rooms: dynamodb.ITable,
        database: Database,
        web: WebAddresses,
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        self.uploaded = WorkQueue(self, "Uploaded", stage=stage, visibility_seconds=180, attempts=20)
        self.uploads = PrivateBucket(
            self,
            "Uploads",
            stage=stage,
            cors=s3.CorsRule(allowed_methods=[s3.HttpMethods.POST], allowed_origins=list(web.origins), max_age=3600),
            lifecycle_rules=[
                s3.LifecycleRule(expiration=Duration.days(1), abort_incomplete_multipart_upload_after=Duration.days(1))
            ],
        )
        self._tell_of_uploads()
        self.picture_maker = ServiceFunction(
            self,
            "PictureMaker",
            deployment=deployment,
            name="picture_maker",
            environment={
                **database.environment,
                "UPLOAD_BUCKET": self.uploads.bucket_name,
                "MEDIA_BUCKET": media.bucket_name,
                "ROOM_TABLE": rooms.table_name,
                "CDN_URL": web.cdn,
            },
            timeout_seconds=30,
            memory_mib=1024,  # the largest picture that is taken unfolds to 160 MB, and is turned and cut once
        )
        database.let_log_in(self.picture_maker)
        self.picture_maker.may(
            ["s3:GetObject", "s3:DeleteObject"], *(self.uploads.arn_for_objects(f"{each}/*") for each in PICTURES)
        )
        self.picture_maker.may(
            ["s3:PutObject", "s3:DeleteObject"], *(media.arn_for_objects(f"{each}/*") for each in PICTURES)
        )
        self.picture_maker.may(["dynamodb:Query", "dynamodb:PutItem"], rooms.table_arn)
        self.picture_maker.may("s3:ListBucket", self.uploads.bucket_arn, media.bucket_arn)
        self.picture_maker.consume(self.uploaded, batch_size=1, at_once=stage.api.concurrency.writers)

        self.tasks = WorkQueue(self, "Tasks", stage=stage, visibility_seconds=1800, attempts=50)
        self.account_data = ServiceFunction(
            self,
            "AccountData",
            deployment=deployment,
            name="account_data",
            environment={
                **database.environment,
                "UPLOAD_BUCKET": self.uploads.bucket_name,
                "MEDIA_BUCKET": media.bucket_name,
                "ROOM_TABLE": rooms.table_name,
            },
            timeout_seconds=300,
        )
        database.let_log_in(self.account_data)
        self.account_data.may("s3:PutObject", self.uploads.arn_for_objects("exports/*"))
        self.account_data.may("s3:DeleteObject", self.uploads.arn_for_objects("*"))
        self.account_data.may("s3:DeleteObject", media.arn_for_objects("avatars/*"))
        self.account_data.may(["dynamodb:Query", "dynamodb:PutItem", "dynamodb:BatchWriteItem"], rooms.table_arn)
        self.account_data.may("s3:ListBucket", self.uploads.bucket_arn, media.bucket_arn)
        self.account_data.consume(self.tasks, batch_size=1, at_once=stage.api.concurrency.writers)
        self.account_data.run_every(
            Duration.days(1),
            name="EveryDay",
            attempts=3,
            give_up_after=Duration.hours(6),  # the most that Lambda keeps a call for
            event={"action": "forget_old"},
        )

    @property
    def environment(self) -> dict[str, str]:
        """What the API is told."""
        return {"UPLOAD_BUCKET": self.uploads.bucket_name, "ACCOUNT_DATA_QUEUE_URL": self.tasks.url}

    def let_ask(self, function: ServiceFunction) -> None:
        """Sign forms and addresses (which are worth what the signer may do), and ask for what takes long."""
        function.may("s3:PutObject", *(self.uploads.arn_for_objects(f"{each}/*") for each in PICTURES))
        function.may("s3:GetObject", self.uploads.arn_for_objects("exports/*"))
        function.may("sqs:SendMessage", self.tasks.arn)

    def _tell_of_uploads(self) -> None:
        """By the bucket's own property: the CDK's method would deploy a function of its own to do it."""
        policy = sqs.QueuePolicy(self, "UploadedPolicy", queues=[self.uploaded.queue])
        policy.document.add_statements(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.uploaded.arn],
                # Not the bucket's ARN: the bucket is made after this, and checks it.
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        bucket = self.uploads.node.default_child
        if not isinstance(bucket, s3.CfnBucket):
            raise TypeError("an L2 bucket is made of an L1 bucket")
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    queue=self.uploaded.arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(
                            rules=[s3.CfnBucket.FilterRuleProperty(name="prefix", value=f"{each}/")]
                        )
                    ),
                )
                for each in PICTURES
            ]
        )
        bucket.node.add_dependency(policy)
