"""Stages 4–7 · what every store of the deployment has in common: whether it outlives its stack, and who reaches a bucket."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config.stage import Stage


def removal_policy(stage: Stage) -> RemovalPolicy:
    return RemovalPolicy.RETAIN if stage.keep_data else RemovalPolicy.DESTROY


class PrivateBucket(s3.Bucket):
    """Nobody reads it but by IAM's leave, or through an address that somebody who has that leave has signed.

    `policy_elsewhere`: a stack that is made later writes its policy whole, for it knows whom else to let in."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        lifecycle_rules: Sequence[s3.LifecycleRule],
        cors: s3.CorsRule | None = None,
        policy_elsewhere: bool = False,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=stage.require_tls and not policy_elsewhere,
            cors=None if cors is None else [cors],
            lifecycle_rules=lifecycle_rules,
            removal_policy=removal_policy(stage),
        )
