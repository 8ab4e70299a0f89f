"""MiniStack with IAM as AWS has it: three corrections, and a journal of its decisions where somebody wants to read them.

A program of its own, run by the emulator's interpreter, which knows nothing of ours. The journal has a line for each
decision, written the first time it is taken: `{"role": …, "action": …, "resource": …, "allowed": …}`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from email.utils import parseaddr
from typing import Any

_SECRET = re.compile(r"arn:aws:secretsmanager:[^:]*:[^:]*:secret:(?P<name>.+)-[^-]{6}")


def with_secrets_by_name(matches: Callable[..., bool]) -> Callable[..., bool]:
    """`Ref` of a secret is its ARN on AWS, and its name here: so a policy of our template names a secret by its name."""

    def matching(resource: str, allowed: list[str], *rest: Any, **options: Any) -> bool:
        secret = _SECRET.fullmatch(resource or "")
        if secret is not None and secret["name"] in (allowed or []):
            return True
        return matches(resource, allowed, *rest, **options)

    return matching


def with_senders(resource_of: Callable[..., str]) -> Callable[..., str]:
    """Mail is sent by an identity, which is the domain of who it comes from; MiniStack names none."""

    def naming(method: str, path: str, body: bytes, region: str, account: str) -> str:
        if path.rstrip("/").endswith("/outbound-emails"):
            _, _, domain = parseaddr(json.loads(body)["FromEmailAddress"])[1].rpartition("@")
            return f"arn:aws:ses:{region}:{account}:identity/{domain}"
        return resource_of(method, path, body, region, account)

    return naming


def with_batches(enforce: Callable[..., Any]) -> Callable[..., Any]:
    """Who may send a message may send ten at once: SQS knows no permission for batches (Amazon SQS API permissions)."""

    def enforcing(access_key: str, action: str, *args: Any, **options: Any) -> Any:
        single = action.removesuffix("Batch") if action.startswith("sqs:") else action
        return enforce(access_key, single, *args, **options)

    return enforcing


def journalling(enforce: Callable[..., Any], caller_of: Callable[[str], str], path: str) -> Callable[..., Any]:
    """`enforce` of MiniStack's evaluator, which answers None for what is allowed."""
    seen: set[tuple[str, str, str, bool]] = set()

    def noting(access_key: str, action: str, service: str, region: str, *args: Any, **options: Any) -> Any:
        refusal = enforce(access_key, action, service, region, *args, **options)
        caller = caller_of(access_key or "")
        if ":assumed-role/" in caller:
            role = caller.split(":assumed-role/", 1)[1].split("/", 1)[0]
            resource = args[0] if args else options.get("resource_arn", "*")
            note = (role, action, resource, refusal is None)
            if note not in seen:
                seen.add(note)
                line = json.dumps(dict(zip(("role", "action", "resource", "allowed"), note, strict=True)))
                with open(path, "a", encoding="utf-8") as journal:  # noqa: PTH123 - every new kind of call passes here
                    journal.write(f"{line}\n")
        return refusal

    return noting


def main() -> None:
    from ministack.app import main as run  # type: ignore[import-not-found]
    from ministack.core import iam_actions, iam_evaluator  # type: ignore[import-not-found]

    def caller_of(access_key: str) -> str:
        identity = iam_evaluator.resolve_caller_identity(access_key)
        return str(identity["userArn"]) if identity else ""

    iam_evaluator._resource_matches = with_secrets_by_name(iam_evaluator._resource_matches)
    iam_actions._ses_v2_resource_arn = with_senders(iam_actions._ses_v2_resource_arn)
    if path := os.environ.get("IAM_JOURNAL"):
        iam_evaluator.enforce = journalling(iam_evaluator.enforce, caller_of, path)
    iam_evaluator.enforce = with_batches(iam_evaluator.enforce)
    run()


if __name__ == "__main__":
    main()
