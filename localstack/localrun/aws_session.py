"""The local stack's own way into the emulated AWS."""

from __future__ import annotations

from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from localrun.plan import AwsAccess


def clients(aws: AwsAccess) -> partial[Any]:
    """`clients(aws)("sqs")` is a client of SQS. A cold function may take its time, so reading waits long."""
    session = boto3.Session(
        aws_access_key_id=aws.access_key, aws_secret_access_key=aws.secret_key, region_name=aws.region
    )
    config = Config(connect_timeout=3, read_timeout=180, retries={"max_attempts": 1})
    return partial(session.client, endpoint_url=aws.endpoint, config=config)


def account_of(aws: AwsAccess) -> str:
    """The account that the credentials belong to. Raises what botocore does when the endpoint is away or is no AWS."""
    return str(clients(aws)("sts").get_caller_identity()["Account"])
