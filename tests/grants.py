"""Which call of AWS is covered by which grant: the template's grants and a run's calls, in one notation.

A resource is an ARN with the names that CloudFormation makes in braces, by stack and logical id (without its hash):
`arn:aws:sqs:us-east-1:123456789012:{headwater-local-chat/DeliveryQueue}`. Kept calls are tests/infra/exercised_grants.json,
taken from runs of the end-to-end tests with `HEADWATER_IAM_JOURNAL` (`python -m tests.grants [--add] JOURNAL`).
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.templates import ROOT, Resource, Templates, templates

KEPT = ROOT / "tests" / "infra" / "exercised_grants.json"
REGION, ACCOUNT = "us-east-1", "123456789012"

# CloudFormation's (and MiniStack's) names begin with the stack's and the logical id, which is cut where that would be too long.
_MADE = re.compile(r"(?P<stack>headwater-local-[a-z]+)-(?P<rest>[A-Za-z0-9]+(?:-[0-9A-Fa-f]+)*)")
# Lambda does these in the function's name. docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html, …/with-sqs.html
TO_LOG = frozenset({"logs:CreateLogStream", "logs:PutLogEvents"})
TO_RECEIVE = frozenset({"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"})
BY_LAMBDA = TO_LOG | TO_RECEIVE
# When a message has failed, to have it back soon (headwater/adapters/redelivery.py).
TO_HASTEN = frozenset({"sqs:GetQueueUrl", "sqs:ChangeMessageVisibility"})
_NAMED_BY_CLOUDFORMATION = (
    "AWS::IAM::Role",
    "AWS::DynamoDB::Table",
    "AWS::SQS::Queue",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
)
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{22}")
_HASH = re.compile(r"[0-9A-F]{8}$")


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource (which may have `*` in it), for the role of `grantee`."""

    grantee: str  # stack/logical id of the role
    action: str
    resource: str

    def covers(self, call: Call) -> bool:
        return (
            self.grantee == call.grantee
            and self.action == call.action
            and fnmatchcase(call.resource.replace("[", "("), self.resource.replace("[", "("))
        )


@dataclass(frozen=True, order=True)
class Call:
    grantee: str
    action: str
    resource: str


def grants(of: Templates) -> Iterator[Grant]:
    """Every grant of every role in the templates."""
    for policy in of.resources("AWS::IAM::Policy"):
        for role in policy.properties["Roles"]:
            grantee = _named(of.referred(policy.stack, role))
            for statement in policy.properties["PolicyDocument"]["Statement"]:
                for action in _listed(statement["Action"]):
                    for resource in _listed(statement["Resource"]):
                        yield Grant(grantee, action, _written_out(of, policy.stack, resource))


def grantees(of: Templates) -> Mapping[str, str]:
    """What each role is called that a function or a task has."""
    found = {}
    for function in of.resources("AWS::Lambda::Function"):
        role = of.referred(function.stack, function.properties["Role"])
        found[_named(role)] = function.properties["Handler"].split(".")[1]
    for definition in of.resources("AWS::ECS::TaskDefinition"):
        for property_, suffix in (("TaskRoleArn", ""), ("ExecutionRoleArn", " (ECS itself)")):
            role = of.referred(definition.stack, definition.properties[property_])
            found[_named(role)] = definition.properties["Family"].rpartition("-")[2] + suffix
    return found


def journal(of: Templates, lines: Iterable[str]) -> Iterator[tuple[Call, bool]]:
    """The calls of a journal (localstack/localrun/enforcing_ministack.py), and whether each was allowed."""
    made: dict[str, list[str]] = {}
    for type_ in _NAMED_BY_CLOUDFORMATION:
        for resource in of.resources(type_):
            made.setdefault(resource.stack, []).append(resource.logical_id)

    def braced(found: re.Match[str]) -> str:
        rest = found["rest"].lower()
        likely = max(made.get(found["stack"], [""]), key=lambda each: _letters_in_common(each.lower(), rest))
        name = _HASH.sub("", likely)
        if not rest.startswith(name.lower()):
            return found[0]
        return "{" + f"{found['stack']}/{name}" + "}"

    for line in lines:
        note = json.loads(line)
        grantee = _MADE.sub(braced, note["role"]).strip("{}")
        yield Call(grantee, note["action"], _MADE.sub(braced, _kind(note["resource"]))), note["allowed"]


def _kind(arn: str) -> str:
    """One object or connection stands for all of its kind; ids that every deployment makes anew are left out."""
    head, _, rest = arn.partition("/")
    if arn.startswith("arn:aws:execute-api:"):
        return f"{head.rpartition(':')[0]}:an-api/{re.sub('@connections/.*', '@connections/one', rest)}"
    if arn.startswith("arn:aws:s3:::") and rest:
        return f"{head}/{re.sub('[0-9]+', '0', _ID.sub('an-id', rest))}"
    return arn


def kept_calls() -> set[Call]:
    calls = json.loads(KEPT.read_text())["calls"]
    return {
        Call(grantee, action, resource)
        for grantee, actions in calls.items()
        for action, resources in actions.items()
        for resource in resources
    }


def never_seen() -> set[Grant]:
    """The grants that the kept run had no use for."""
    return {Grant(*each) for each in json.loads(KEPT.read_text())["never seen"]}


def unneeded(granted: Iterable[Grant], calls: Iterable[Call]) -> set[Grant]:
    """The grants without which every call would be allowed all the same."""
    all_of_them, made = set(granted), list(calls)
    needed = set()
    for call in made:
        covering = [grant for grant in all_of_them if grant.covers(call)]
        if len(covering) == 1:
            needed.add(covering[0])
    return all_of_them - needed


def keep(granted: Iterable[Grant], calls: Iterable[Call]) -> None:
    made = sorted(set(calls))
    ordered: dict[str, dict[str, list[str]]] = {}
    for call in made:
        ordered.setdefault(call.grantee, {}).setdefault(call.action, []).append(call.resource)
    unseen = [[each.grantee, each.action, each.resource] for each in sorted(unneeded(granted, made))]
    KEPT.write_text(json.dumps({"calls": ordered, "never seen": unseen}, indent=1) + "\n")


def of_calls(of: Templates) -> set[Grant]:
    """The grants of functions and tasks that their own calls need: not what AWS does in their name (Lambda writes logs,
    receives from queues, keeps what it gave up on), nor what the local ECS endpoint lets anybody do."""
    names = grantees(of)
    return {
        each
        for each in grants(of)
        if each.grantee in names
        and "ECS itself" not in names[each.grantee]
        and each.action not in BY_LAMBDA | TO_HASTEN
        and not each.action.startswith(("ecs:", "iam:", "ec2:"))
        and "Missed" not in each.resource
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(resource: Resource) -> str:
    return f"{resource.stack}/{_HASH.sub('', resource.logical_id)}"


def _written_out(of: Templates, stack: str, value: Any) -> str:
    """A property as a string, the names that only CloudFormation knows in braces."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        glue, parts = value["Fn::Join"]
        return str(glue).join(_written_out(of, stack, part) for part in parts)
    if pseudo := {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}.get(value.get("Ref", "")):
        return pseudo
    resource = of.referred(stack, value)
    name = "{" + _named(resource) + "}"
    here = f"{REGION}:{ACCOUNT}"
    match resource.type:
        case "AWS::DynamoDB::Table":
            return f"arn:aws:dynamodb:{here}:table/{name}"
        case "AWS::SQS::Queue":
            return f"arn:aws:sqs:{here}:{name}{'.fifo' if resource.properties.get('FifoQueue') else ''}"
        case "AWS::S3::Bucket":
            return f"arn:aws:s3:::{name}"
        case "AWS::SecretsManager::Secret":
            return f"arn:aws:secretsmanager:{here}:secret:{name}"
        case "AWS::Events::EventBus":
            return f"arn:aws:events:{here}:event-bus/{resource.properties['Name']}"
        case "AWS::Logs::LogGroup":
            return f"arn:aws:logs:{here}:log-group:{name}:*"
        case "AWS::IAM::Role":
            return f"arn:aws:iam::{ACCOUNT}:role/{name}"
        case "AWS::ApiGatewayV2::Api":
            return "*"  # its id is made up anew with every deployment
        case "AWS::SES::EmailIdentity":
            return str(resource.properties["EmailIdentity"])
    return name


def _letters_in_common(one: str, other: str) -> int:
    """From the beginning on."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def main(path: str, *, add: bool) -> int:
    """Keep the calls of a journal; with `add`, also those that were kept before, as far as they are still granted. Refuses
    a journal in which something was refused."""
    with tempfile.TemporaryDirectory() as folder:
        made = templates(Path(folder))
    read = list(journal(made, Path(path).read_text().splitlines()))
    refused = [call for call, allowed in read if not allowed]
    for call in refused:
        print(f"refused: {call.grantee} {call.action} {call.resource}", file=sys.stderr)
    if not refused:
        everything = set(grants(made))
        before = [call for call in kept_calls() if any(grant.covers(call) for grant in everything)] if add else []
        keep(of_calls(made), [*before, *(call for call, _ in read)])
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[-1], add="--add" in sys.argv))
