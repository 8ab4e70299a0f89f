"""What the endpoint needs from the rest of AWS: task definitions, clusters, and the rules of the default event bus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from localrun.ecs.errors import ClusterNotFound, EcsError, ServerError

_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"})


class Aws:
    """Talks to the emulator that stands for AWS. Blocking clients, each call on a thread of its own."""

    def __init__(self, *, endpoint: str, region: str) -> None:
        session = boto3.Session(region_name=region)
        self._ecs = session.client("ecs", endpoint_url=endpoint, config=_CONFIG)
        self._ecs.meta.events.register("before-parse.ecs.DescribeTaskDefinition", _spell_secrets_as_ecs_does)
        self._events = session.client("events", endpoint_url=endpoint, config=_CONFIG)
        self._sqs = session.client("sqs", endpoint_url=endpoint, config=_CONFIG)
        self._secrets_manager = session.client("secretsmanager", endpoint_url=endpoint, config=_CONFIG)
        self._sts = session.client("sts", endpoint_url=endpoint, config=_CONFIG)

    async def task_definition(self, name: str) -> dict[str, Any]:
        """Raises EcsError (ClientException) when there is none of that name."""
        try:
            answer = await asyncio.to_thread(self._ecs.describe_task_definition, taskDefinition=name)
        except ClientError:
            raise EcsError(f"Unable to find task definition: {name}") from None
        except BotoCoreError as error:
            raise ServerError(str(error)) from error
        return dict(answer["taskDefinition"])

    async def cluster_arn(self, name: str) -> str:
        try:
            answer = await asyncio.to_thread(self._ecs.describe_clusters, clusters=[name])
        except (ClientError, BotoCoreError) as error:
            raise ServerError(str(error)) from error
        if not answer["clusters"]:
            raise ClusterNotFound("Cluster not found.")
        return str(answer["clusters"][0]["clusterArn"])

    async def credentials_of(self, role_arn: str, session_name: str) -> dict[str, Any]:
        """What the role may be taken on with, for an hour. As ECS hands it to a task, who asks again before it is over."""
        try:
            taken = await asyncio.to_thread(self._sts.assume_role, RoleArn=role_arn, RoleSessionName=session_name)
        except (ClientError, BotoCoreError) as error:
            raise ServerError(str(error)) from error
        made = taken["Credentials"]
        return {
            "RoleArn": role_arn,
            "AccessKeyId": made["AccessKeyId"],
            "SecretAccessKey": made["SecretAccessKey"],
            "Token": made["SessionToken"],
            "Expiration": made["Expiration"].isoformat(),
        }

    async def secret(self, value_from: str) -> str:
        """`<ARN of the secret>`, or `<ARN>:<key of its JSON>::`; MiniStack says its name in place of the ARN. Raises EcsError,
        which names the secret and not its value."""
        parts = value_from.split(":")
        own = 7 if parts[0] == "arn" else 1
        arn, key = ":".join(parts[:own]), parts[own] if len(parts) > own else ""
        try:
            answer = await asyncio.to_thread(self._secrets_manager.get_secret_value, SecretId=arn)
            text = str(answer["SecretString"])
            return str(json.loads(text)[key]) if key else text
        except (ClientError, BotoCoreError, ValueError, KeyError):
            raise EcsError(f"{arn} cannot be read, or has no {key!r}") from None

    async def deliver(self, event: Mapping[str, Any]) -> None:
        """Brings `event` to the queues that the default bus would send it to.

        The bus itself refuses events whose source begins with `aws.` from anyone but AWS, so the rules are read and
        followed here: every enabled rule whose pattern matches, every SQS target of it.
        """
        await asyncio.to_thread(self._deliver, event)

    def _deliver(self, event: Mapping[str, Any]) -> None:
        text = json.dumps(event)
        for rule in self._events.list_rules()["Rules"]:
            pattern = rule.get("EventPattern")
            if rule["State"] != "ENABLED" or not pattern:
                continue
            if not self._events.test_event_pattern(EventPattern=pattern, Event=text)["Result"]:
                continue
            for target in self._events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                service, name = target["Arn"].split(":")[2], target["Arn"].split(":")[5]
                if service != "sqs":
                    continue
                queue = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
                self._sqs.send_message(QueueUrl=queue, MessageBody=text)


def _spell_secrets_as_ecs_does(response_dict: dict[str, Any], **_: object) -> None:
    """MiniStack keeps containers' secrets as the template spells them, `Name` and `ValueFrom`, which no SDK reads."""
    answer = json.loads(response_dict["body"])
    for container in answer.get("taskDefinition", {}).get("containerDefinitions", []):
        container["secrets"] = [
            {name[0].lower() + name[1:]: value for name, value in each.items()}
            for each in container.get("secrets") or []
        ]
    response_dict["body"] = json.dumps(answer).encode()
