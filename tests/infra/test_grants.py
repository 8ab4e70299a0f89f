"""Take any grant away, and a test fails: nobody may do more than they do.

What they do was written down by the emulator while the end-to-end tests ran with IAM enforced (tests/grants.py). Grants that
this run had no use for are listed beside the calls, and here with the reason why not. What is done in a function's name by
AWS itself, and what the emulator does not check, is held against the template and the code.
"""

from __future__ import annotations

import re

from tests.grants import TO_HASTEN, TO_LOG, TO_RECEIVE, grantees, grants, kept_calls, never_seen, of_calls, unneeded
from tests.templates import ROOT, Templates

# Why no end-to-end test uses it, and what shows the code that does: by function, action and what it is done to.
NOT_THERE_ON_S3 = (
    "S3 says 403 and not 404 of what is not there, to who may not list; the emulator says 404 to everybody"
)
SILENT_SOCKET = "a socket that is open and takes no frames for seconds (tests/integration/chat/test_delivery.py)"
UNUSED = {
    ("picture_maker", "s3:ListBucket", "PersonalDataUploads"): NOT_THERE_ON_S3,
    ("worker", "s3:ListBucket", "Media"): NOT_THERE_ON_S3,
    ("picture_maker", "s3:DeleteObject", "emotes"): (
        "an emote that is taken away while its picture is made (tests/integration/api/test_emotes.py)"
    ),
    ("chat_delivery", "dynamodb:GetItem", "Connections"): SILENT_SOCKET,
    ("chat_delivery", "dynamodb:Query", "by_connection"): SILENT_SOCKET,
    ("chat_delivery", "execute-api:ManageConnections", "DELETE"): SILENT_SOCKET,
    ("chat_delivery", "sqs:SendMessage", "DeliveryQueue"): (
        "a room that is still talking when a run has had its time (tests/integration/chat/test_rounds.py)"
    ),
    ("recording_finaliser", "sqs:SendMessage", "ControlPlanePulsesQueue"): (
        "the pulses of a writer who died before it could send them (tests/unit/test_broadcasts.py)"
    ),
    ("recording_finaliser", "dynamodb:UpdateItem", "ControlPlaneLeases"): (
        "a lease that the dispatcher has not closed (tests/integration/media/test_recording_finaliser.py)"
    ),
    (
        "hook_secret",
        "secretsmanager:GetSecretValue",
        "HookSecret",
    ): "Once a month. tests/integration/ingest/test_hook_secret.py",
    (
        "hook_secret",
        "secretsmanager:PutSecretValue",
        "HookSecret",
    ): "Once a month. tests/integration/ingest/test_hook_secret.py",
}

# The local endpoint of ECS asks nobody's leave. Each with the method of boto3 that needs it.
OF_TASKS = {
    "ecs:RunTask": "run_task",
    "ecs:StopTask": "stop_task",
    "ecs:DescribeTasks": "describe_tasks",
    "ecs:ListTasks": "list_tasks",
    "iam:PassRole": "run_task",
}
STARTS_TASKS = [ROOT / "headwater" / "adapters" / name for name in ("ecs_tasks.py", "transcode_tasks.py")]


def test_whatever_was_done_is_granted(synthesised: Templates) -> None:
    granted = of_calls(synthesised) | {each for each in grants(synthesised) if each.action in TO_HASTEN}
    calls = kept_calls()
    assert len(calls) > 100
    assert [call for call in sorted(calls) if not any(grant.covers(call) for grant in granted)] == []


def test_no_grant_is_unneeded_but_those_that_are_known_and_none_of_them_has_gone(synthesised: Templates) -> None:
    assert unneeded(of_calls(synthesised), kept_calls()) == never_seen()


def test_whatever_no_end_to_end_test_uses_has_its_reason(synthesised: Templates) -> None:
    names = grantees(synthesised)
    without, used = [], set()
    for each in sorted(never_seen()):
        reasons = {key for key in UNUSED if key[:2] == (names[each.grantee], each.action) and key[2] in each.resource}
        used |= reasons
        if not reasons:
            without.append(each)
    assert without == []
    assert UNUSED.keys() == used, "what is used by now needs no reason"
    named = [path for reason in UNUSED.values() for path in re.findall(r"tests/[\w/]+\.py", reason)]
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_what_lambda_does_for_a_function_is_granted_where_it_does_it_and_nowhere_else(synthesised: Templates) -> None:
    functions = synthesised.resources("AWS::Lambda::Function")
    roles = {str(each): str(synthesised.referred(each.stack, each.properties["Role"])) for each in functions}

    def of(type_: str) -> set[str]:
        return {
            roles[str(synthesised.referred(each.stack, each.properties["FunctionName"]))]
            for each in synthesised.resources(type_)
        }

    names, granted = grantees(synthesised), set(grants(synthesised))
    for role in roles.values():
        grantee = re.sub(r"[0-9A-F]{8}$", "", role)
        own = {each for each in granted if each.grantee == grantee}
        actions = {each.action for each in own}
        fed = role in of("AWS::Lambda::EventSourceMapping")
        hastens = "deliver_again" in (ROOT / "functions" / names[grantee] / "handler.py").read_text()
        assert actions >= TO_LOG, role
        assert actions & TO_RECEIVE == (TO_RECEIVE if fed else set()), role
        assert actions & TO_HASTEN == (TO_HASTEN if fed and hastens else set()), role
        assert any("Missed" in each.resource for each in own) == (role in of("AWS::Lambda::EventInvokeConfig")), role


def test_who_starts_workers_may_do_what_the_code_that_starts_them_does_and_no_more(synthesised: Templates) -> None:
    code = "".join(path.read_text() for path in STARTS_TASKS)
    used = {action for action, method in OF_TASKS.items() if f".{method}(" in code}
    allowed = {
        each.action
        for each in grants(synthesised)
        if grantees(synthesised).get(each.grantee) == "transcode_dispatch" and each.action.startswith(("ecs:", "iam:"))
    }
    assert allowed == used == OF_TASKS.keys()
