from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.adapters import aws
from tests.aws import REGION, Account, fresh_account

BUCKET = "media"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with fresh_account(monkeypatch) as made:
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield made


@pytest.fixture
def bucket(account: Account) -> str:
    """The name of an empty bucket of a fresh account."""
    return BUCKET
