"""Stage 6 · brings media and pages to viewers: one distribution of CloudFront before two private buckets, after one table."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, CfnOutput, CustomResource, Duration, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from headwater.contracts import STREAM_EVENT_SOURCE
from infra.config.delivery import Delivery
from infra.config.values import WebAddresses
from infra.constructs.edge_functions import EdgeFunctions, edge_name
from infra.constructs.kept_store import PrivateBucket, removal_policy
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.constructs.viewer_policies import cache_policy, media_headers_policy, page_headers_policy
from infra.constructs.work_queue import WorkQueue
from infra.delivery_paths import AS_THE_OBJECT_SAYS, FOR_A_MINUTE, PATHS, PathBehaviour
from infra.pages_archive import pages_archive
from infra.stacks.data import DataStack

_Config = cloudfront.CfnDistribution
ERRORS = (
    400,
    403,
    404,
    405,
    414,
    416,
    500,
    501,
    502,
    503,
    504,
)  # all that CloudFront would otherwise keep for 10 seconds
_REACH = {"100": "PriceClass_100", "200": "PriceClass_200", "all": "PriceClass_All"}


class DeliveryStack(Stack):
    """`web` is known before the API and chat are made, which answer to no other pages; `publish_pages` tells pages where
    these are, afterwards."""

    def __init__(
        self, scope: Construct, construct_id: str, *, deployment: Deployment, data: DataStack, delivery: Delivery
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        self._deployment = deployment
        self.pages = PrivateBucket(self, "Pages", stage=stage, lifecycle_rules=[], policy_elsewhere=True)
        own = () if delivery.domain is None else (f"https://{delivery.domain}",)
        origins = (*own, *stage.api.more_origins)
        self.edge = EdgeFunctions(self, "Edge", stage=stage, origins=origins)
        self.key_group_id = self._key_group(data)
        headers = {
            "media": media_headers_policy(self, "Media", stage=stage, origins=origins, credentials=False),
            "signed": media_headers_policy(self, "Signed", stage=stage, origins=origins, credentials=True),
            "pages": page_headers_policy(self, "PageHeaders", stage=stage),
        }
        self._headers = {name: policy.attr_id for name, policy in headers.items()}
        self._cached = {
            AS_THE_OBJECT_SAYS: cache_policy(self, "AsTheObjectSays", stage=stage, times=AS_THE_OBJECT_SAYS).attr_id,
            FOR_A_MINUTE: cache_policy(self, "ForAMinute", stage=stage, times=FOR_A_MINUTE).attr_id,
        }
        self.distribution = self._distribution(data.media, delivery)
        for bucket, name in ((data.media, "MediaPolicy"), (self.pages, "PagesPolicy")):
            self._let_only_this_distribution_read(bucket, name)
        host = delivery.domain or self.distribution.attr_domain_name
        self.web = WebAddresses(cdn=f"https://{host}", page=f"https://{host}", more_origins=stage.api.more_origins)
        self._follow_who_may_watch(data)
        self._make_publisher()

        CfnOutput(self, "WatchAt", value=self.web.page)
        CfnOutput(self, "DistributionId", value=self.distribution.attr_id)
        if delivery.domain is not None:
            target = self.distribution.attr_domain_name
            CfnOutput(self, "DomainTarget", value=target, description=f"lead {delivery.domain} here by DNS (CNAME)")

    def publish_pages(self, scope: Construct, *, api: str, ws: str) -> None:
        """Part of the stack that makes the API, so that no page is older or newer than what it calls for long."""
        CustomResource(
            scope,
            "PublishedPages",
            resource_type="Custom::Pages",
            service_token=self.publisher.function.function_arn,
            service_timeout=Duration.minutes(5),
            properties={
                "ArchiveBucket": self._archive.s3_bucket_name,
                "ArchiveKey": self._archive.s3_object_key,
                "Addresses": Stack.of(scope).to_json_string({"api": api, "ws": ws, "cdn": self.web.cdn}),
            },
        )

    def _key_group(self, data: DataStack) -> str:
        """Made, filled and rotated by the one who makes the keys: which keys there are changes every month, and no stack has
        to be deployed for it."""
        maker, name = data.playback_keys, edge_name(self._deployment.stage, "playback")
        maker.function.add_environment("EDGE_KEYS_NAME", name)
        # CloudFront's authorisation knows no resource for keys and their groups (Service Authorization Reference).
        actions = [f"{verb}{kind}" for kind in ("PublicKey", "KeyGroup") for verb in ("Create", "Get", "Delete")]
        actions += ["UpdateKeyGroup", "ListPublicKeys", "ListKeyGroups"]
        maker.may([f"cloudfront:{action}" for action in actions], "*")
        maker.run_every(
            Duration.days(30),
            name="EveryMonth",
            attempts=3,
            give_up_after=Duration.hours(6),
            event={"action": "rotate"},
        )
        group = CustomResource(
            self,
            "KeyGroup",
            resource_type="Custom::KeyGroup",
            service_token=maker.function.function_arn,
            service_timeout=Duration.minutes(5),
        )
        return group.get_att_string("KeyGroupId")

    def _distribution(self, media: s3.IBucket, delivery: Delivery) -> cloudfront.CfnDistribution:
        access = cloudfront.CfnOriginAccessControl(
            self,
            "OriginAccess",
            origin_access_control_config=cloudfront.CfnOriginAccessControl.OriginAccessControlConfigProperty(
                name=edge_name(self._deployment.stage, "buckets"),
                origin_access_control_origin_type="s3",
                signing_behavior="always",
                signing_protocol="sigv4",
            ),
        )
        *rows, default = PATHS
        return cloudfront.CfnDistribution(
            self,
            "Distribution",
            distribution_config=_Config.DistributionConfigProperty(
                enabled=True,
                comment=f"Headwater {self._deployment.stage.name}: media and pages",
                http_version="http2and3",
                ipv6_enabled=True,
                price_class=_REACH[delivery.reach],
                aliases=None if delivery.domain is None else [delivery.domain],
                viewer_certificate=None
                if delivery.certificate_arn is None
                else _Config.ViewerCertificateProperty(
                    acm_certificate_arn=delivery.certificate_arn,
                    minimum_protocol_version="TLSv1.2_2021",
                    ssl_support_method="sni-only",
                ),
                web_acl_id=delivery.web_acl_arn,
                logging=self._access_log(delivery),
                origins=[
                    _Config.OriginProperty(
                        id=name,
                        domain_name=bucket.bucket_regional_domain_name,
                        origin_access_control_id=access.attr_id,
                        s3_origin_config=_Config.S3OriginConfigProperty(origin_access_identity=""),
                    )
                    for name, bucket in (("media", media), ("pages", self.pages))
                ],
                cache_behaviors=[
                    _Config.CacheBehaviorProperty(path_pattern=row.pattern, **self._behaviour(row)) for row in rows
                ],
                default_cache_behavior=_Config.DefaultCacheBehaviorProperty(**self._behaviour(default)),
                custom_error_responses=[
                    _Config.CustomErrorResponseProperty(error_code=code, error_caching_min_ttl=0) for code in ERRORS
                ],
            ),
        )

    def _behaviour(self, row: PathBehaviour) -> dict[str, Any]:
        functions = {}
        if row.by_state:
            functions["viewer-request"] = self.edge.media
        elif row.origin == "pages":
            functions["viewer-request"] = self.edge.pages
        if row.signed:
            functions["viewer-response"] = self.edge.media
        return {
            "target_origin_id": row.origin,
            "viewer_protocol_policy": "redirect-to-https",
            "allowed_methods": ["GET", "HEAD", "OPTIONS"],
            "cached_methods": ["GET", "HEAD"],
            "compress": True,
            "cache_policy_id": self._cached[row.cached],
            "response_headers_policy_id": self._headers["signed" if row.signed else row.origin],
            "trusted_key_groups": [self.key_group_id] if row.signed else None,
            "function_associations": [
                _Config.FunctionAssociationProperty(event_type=event, function_arn=function.attr_function_arn)
                for event, function in functions.items()
            ]
            or None,
        }

    def _access_log(self, delivery: Delivery) -> cloudfront.CfnDistribution.LoggingProperty | None:
        """Of the first kind, which is delivered from any region; the second has to be set up in us-east-1. No cookies; of
        queries, the signatures in them ran out before they are written here."""
        if delivery.access_log_days == 0:
            return None
        self.logs = s3.Bucket(
            self,
            "AccessLog",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            # CloudFront's log delivery writes by an access control list that it puts there itself.
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(delivery.access_log_days))],
            removal_policy=removal_policy(self._deployment.stage),
        )
        return _Config.LoggingProperty(
            bucket=self.logs.bucket_regional_domain_name, include_cookies=False, prefix="delivery/"
        )

    def _let_only_this_distribution_read(self, bucket: s3.IBucket, name: str) -> None:
        """The whole policy of the bucket: it names the distribution, and so can only be made after it. Who may list learns
        that an object is not there (404) instead of hearing 403; no path that reaches the bucket lists it."""
        distribution = f"arn:{Aws.PARTITION}:cloudfront::{Aws.ACCOUNT_ID}:distribution/{self.distribution.attr_id}"
        reader = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Condition": {"StringEquals": {"AWS:SourceArn": distribution}},
        }
        s3.CfnBucketPolicy(
            self,
            name,
            bucket=bucket.bucket_name,
            policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {**reader, "Action": "s3:GetObject", "Resource": bucket.arn_for_objects("*")},
                    {**reader, "Action": "s3:ListBucket", "Resource": bucket.bucket_arn},
                    {
                        "Effect": "Deny",
                        "Principal": {"AWS": "*"},
                        "Action": "s3:*",
                        "Resource": [bucket.bucket_arn, bucket.arn_for_objects("*")],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    },
                ],
            },
        )

    def _follow_who_may_watch(self, data: DataStack) -> None:
        streams = data.control_plane.streams
        # What an edge has not been told, strangers may see: so it is tried for most of a day, at first within seconds.
        self.access_queue = WorkQueue(
            self, "EdgeAccessQueue", stage=self._deployment.stage, visibility_seconds=720, attempts=1000
        )
        self.edge_access = ServiceFunction(
            self,
            "EdgeAccess",
            deployment=self._deployment,
            name="edge_access",
            environment={"STREAM_TABLE": streams.table_name, "EDGE_STORE_ARN": self.edge.store.attr_arn},
            timeout_seconds=120,
        )
        self.edge_access.may(["dynamodb:GetItem", "dynamodb:Scan"], streams.table_arn)
        self.edge_access.may(
            [f"cloudfront-keyvaluestore:{each}" for each in ("DescribeKeyValueStore", "GetKey", "UpdateKeys")],
            self.edge.store.attr_arn,
        )
        # Every write is on condition of the whole store's version: more at once would only refuse one another.
        self.edge_access.consume(self.access_queue, batch_size=10, at_once=2)
        data.control_plane.forward(STREAM_EVENT_SOURCE, self.access_queue, rule=(self, "StreamChanged"))
        # News are of what changes; a store that is new beside streams that are not has to hear of all, before viewers come.
        filled = CustomResource(
            self,
            "FilledStore",
            resource_type="Custom::FilledStore",
            service_token=self.edge_access.function.function_arn,
            service_timeout=Duration.minutes(5),
            properties={"Store": self.edge.store.attr_arn},
        )
        filled.node.add_dependency(self.edge_access)
        self.distribution.node.add_dependency(filled)

    def _make_publisher(self) -> None:
        archive = pages_archive()
        self._archive = s3_assets.Asset(self, "PagesArchive", path=str(archive.archive))
        self.publisher = ServiceFunction(
            self,
            "PagePublisher",
            deployment=self._deployment,
            name="page_publisher",
            environment={"PAGES_BUCKET": self.pages.bucket_name},
            timeout_seconds=120,
            memory_mib=1024,
        )
        self.publisher.may("s3:GetObject", self._archive.bucket.arn_for_objects(self._archive.s3_object_key))
        self.publisher.may(["s3:PutObject", "s3:DeleteObject"], self.pages.arn_for_objects("*"))
        self.publisher.may("s3:ListBucket", self.pages.bucket_arn)
