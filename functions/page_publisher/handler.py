"""Stage 6 · the pages as a resource of a stack: published when they, or the addresses in them, have changed."""

from __future__ import annotations

from typing import Any

import msgspec

from functions.page_publisher.publish_pages import publish_pages
from functions.page_publisher.settings import PagePublisherSettings
from functions.page_publisher.wire import Wanted
from headwater.adapters import deployment_requests
from headwater.adapters.bucket import Bucket
from headwater.observability import logger
from headwater.settings import load_settings

PAGES = "pages"  # always the same, or an update would end with deleting the former


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return deployment_requests.answer(event, lambda: _carry_out(event))


def _carry_out(event: dict[str, Any]) -> deployment_requests.Made:
    bucket = Bucket(load_settings(PagePublisherSettings).pages_bucket)
    if event["RequestType"] == "Delete":
        bucket.delete_many(bucket.list(""))  # a bucket that holds something is not removed
        return deployment_requests.Made(PAGES)
    wanted = msgspec.convert(event["ResourceProperties"], Wanted)
    archive = Bucket(wanted.archive_bucket).get(wanted.archive_key)
    if archive is None:
        raise FileNotFoundError(f"the archive of the pages, {wanted.archive_key}, is not there")
    logger().info("pages published", files=publish_pages(archive, wanted.addresses, bucket))
    return deployment_requests.Made(PAGES)
