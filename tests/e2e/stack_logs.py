"""What a stack has written, line by line: the log groups of its functions, and the logs of its other programs.

On AWS workers and nodes have log groups, too; on one machine their lines are in files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import boto3

from tests.e2e.local_stack import LocalStack

IN_GROUPS = ("ingest", "worker-*")  # programs whose logs are log groups on AWS


@dataclass(frozen=True)
class Line:
    source: str
    text: str
    at: float = 0.0  # Unix seconds; of functions alone

    @property
    def fields(self) -> dict[str, Any]:
        """What it says, if it is structured."""
        with suppress(json.JSONDecodeError):
            if self.text.startswith("{"):
                return dict(json.loads(self.text))
        return {}


def aws(stack: LocalStack, service: str) -> Any:
    """A client of the endpoint that stands for AWS, with every right."""
    of_any_service: Any = boto3.client  # which the stubs know by their names alone
    return of_any_service(
        service,
        endpoint_url=stack.emulator,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def of_functions(stack: LocalStack, since: float) -> list[Line]:
    """From `since` (Unix seconds) on, by time."""
    logs = aws(stack, "logs")
    found = []
    for group in (each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]):
        events = logs.filter_log_events(logGroupName=group, startTime=round(since * 1000))["events"]
        found += [Line(group.rpartition("/")[2], event["message"], event["timestamp"] / 1000) for event in events]
    return sorted(found, key=lambda line: line.at)


def of_programs(stack: LocalStack, *patterns: str) -> Iterator[Line]:
    """All that is there of the programs whose names are like one of `patterns`."""
    for pattern in patterns:
        for log in sorted((stack.data / "logs").glob(f"{pattern}.log")):
            for text in log.read_text(errors="replace").splitlines():
                yield Line(log.stem, text)
