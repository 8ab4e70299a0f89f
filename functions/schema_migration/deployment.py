"""Before stage 7 · the schema as a resource of a stack: CloudFormation asks for it, waits, and goes back when it is refused.

What it sends and what it wants to hear: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from headwater.observability import logger

ATTEMPTS = 4
LONGEST_REASON = 1000  # the whole answer may have 4 KB


def answer(event: dict[str, Any], migrate: Callable[[], str]) -> dict[str, str]:
    """Migrate for `Create` and `Update`; a schema whose stack is deleted stays where it is. Tells CloudFormation, whatever
    came of it: unanswered, it would wait for an hour. What it is told is returned, too.

    `ResourceProperties.Setting` is what the deployer calls the database's setting, and begins the reason of a failure.
    """
    told = {
        "Status": "SUCCESS",
        "PhysicalResourceId": "schema",  # always the same, or an update would end with deleting the former
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    if event["RequestType"] != "Delete":
        try:
            migrate()
        except Exception as error:
            logger().exception("the schema was not migrated")
            setting = event.get("ResourceProperties", {}).get("Setting", "database")
            why = str(error) or type(error).__name__
            told |= {"Status": "FAILED", "Reason": f"{setting}: {why}"[:LONGEST_REASON]}
    _tell(event["ResponseURL"], json.dumps(told).encode())
    return told


def _tell(address: str, body: bytes) -> None:
    # Without a content type, as the address was signed; urllib would put one in.
    request = urllib.request.Request(address, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310  # nosec B310
                return
        except OSError:
            if attempt == ATTEMPTS:
                raise
            time.sleep(attempt)
