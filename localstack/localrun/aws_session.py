"""The local stack's own way into the emulated AWS: dummy credentials, one endpoint."""

from __future__ import annotations

from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from localrun.emulator import REGION
from localrun.plan import StackPlan

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""Emulators accept any; without them no client signs."""


def clients(plan: StackPlan) -> partial[Any]:
    """`clients(plan)("sqs")` is a client of SQS. A cold function may take its time, so reading waits long."""
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    config = Config(connect_timeout=3, read_timeout=180, retries={"max_attempts": 1})
    return partial(session.client, endpoint_url=plan.aws_endpoint, config=config)
