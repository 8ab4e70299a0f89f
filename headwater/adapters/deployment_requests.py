"""Before every stage · what CloudFormation asks of a function that stands for a resource of a stack, and what it is told.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.observability import logger

ATTEMPTS = 4
LONGEST_REASON = 1000  # the whole answer may have 4 KB


@dataclass(frozen=True, slots=True)
class Made:
    """The resource that there is now. An id other than before makes CloudFormation ask for the former's deletion."""

    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def is_request(event: Mapping[str, Any]) -> bool:
    return "ResponseURL" in event and "RequestType" in event


def answer(event: Mapping[str, Any], carry_out: Callable[[], Made]) -> dict[str, Any]:
    """Carries the request out and tells CloudFormation what came of it, whatever that was: unanswered, it would wait for an
    hour. What it is told is returned, too. `carry_out` says by an exception that, and why, it could not be done."""
    told: dict[str, Any] = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "none"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    try:
        made = carry_out()
        told |= {"PhysicalResourceId": made.physical_id, "Data": dict(made.attributes)}
    except Exception as error:
        logger().exception("the resource was not made")
        told |= {"Status": "FAILED", "Reason": (str(error) or type(error).__name__)[:LONGEST_REASON]}
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
