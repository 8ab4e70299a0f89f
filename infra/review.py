"""Holds the templates against what others know of AWS: cfn-lint, cdk-nag's AwsSolutions, and checkov.

    python -m infra.review [stage …]

Ends with 1 when there is a finding that is not acknowledged (infra/acknowledged.py), or an acknowledgement of something that
nobody finds any more. Templates that have not changed since they were found fine are not looked at again; they are kept for
the tests, which ask the same ones (infra/kept_templates.py).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,20")

from aws_cdk import App, CfnResource, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from infra.acknowledged import ACKNOWLEDGEMENTS, Acknowledgement
from infra.bundling import empty_bundle
from infra.cdk_app import CDK_CONTEXT, add_stacks
from infra.config.stages import stage_named
from infra.kept_templates import KEPT, state_of_sources

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "infra" / "settings.example.toml"
STAGES = ("local", "dev", "prod")
# Rules of AWS's own services are for what runs there: one machine's loopback speaks no TLS, for one.
LINTED_ALONE = frozenset({"local"})
# The two stages differ in values; a third of a minute is spent on the one that matters.
CHECKED_BY_CHECKOV = frozenset({"prod"})
CFN_LINT, CHECKOV, CDK_NAG = "cfn-lint", "checkov", "cdk-nag"
# W3005: the CDK makes every function wait for its role's policies, and lists the role, too.
NOT_OURS = ("W3005",)


@dataclass(frozen=True, order=True)
class Finding:
    """`resource` is the construct's path; where a tool names a template alone, the stack's."""

    tool: str
    rule: str
    resource: str
    said: str = ""


class Templates:
    """One stage, synthesised into `folder` with cdk-nag looking on; and where its resources are."""

    def __init__(self, stage: str, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        app = App(context=CDK_CONTEXT, outdir=str(folder))
        settings = None if stage == "local" else str(SETTINGS)
        bundles = partial(empty_bundle, build=folder / "bundles")
        add_stacks(app, stage=stage_named(stage, settings_file=settings), bundle=bundles)
        if stage not in LINTED_ALONE:
            Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        with suppress(Exception), _unsaid():  # of which the report says more
            app.synth()
        self.resources: dict[tuple[str, str], str] = {}  # paths, by stack and logical id
        for construct in app.node.find_all():
            if isinstance(construct, CfnResource):
                stack = Stack.of(construct)
                self.resources[(stack.stack_name, str(stack.resolve(construct.logical_id)))] = construct.node.path

    @property
    def files(self) -> list[Path]:
        found = sorted(self.folder.glob("*.template.json"))
        if not found:
            raise SystemExit(f"the stage {self.stage!r} cannot be synthesised: run `make synth stage={self.stage}`")
        return found

    def path(self, stack: str, logical_id: str) -> str:
        return self.resources.get((stack, logical_id), stack)


def cfn_lint(templates: Templates) -> Iterator[Finding]:
    command = [_beside_python("cfn-lint"), "--format", "json", "--ignore-checks", *NOT_OURS, "--regions", "us-east-1"]
    ended = _run([*command, "--", *map(str, templates.files)])
    for each in _json(ended, command):
        where: list[str] = each["Location"]["Path"] or []
        stack = Path(each["Filename"]).name.removesuffix(".template.json")
        logical_id = where[1] if len(where) > 1 and where[0] == "Resources" else ""
        yield Finding(CFN_LINT, each["Rule"]["Id"], templates.path(stack, logical_id), each["Message"])


def checkov(templates: Templates) -> Iterator[Finding]:
    """From an environment of its own (infra/checkov/), for it pins an old boto3."""
    command = [str(ROOT / ".venv-checkov" / "bin" / "checkov"), "--framework", "cloudformation", "--output", "json"]
    command += ["--compact", "--skip-download"]
    ended = _run([*command, *(part for file in templates.files for part in ("--file", str(file)))])
    for each in _json(ended, command)["results"]["failed_checks"]:
        stack = Path(each["file_path"]).name.removesuffix(".template.json")
        logical_id = each["resource"].rpartition(".")[2]
        yield Finding(CHECKOV, each["check_id"], templates.path(stack, logical_id), each["check_name"])


def cdk_nag(templates: Templates) -> Iterator[Finding]:
    report = templates.folder / "validation-report.json"
    if not report.is_file():
        return
    for plugin in json.loads(report.read_text())["pluginReports"]:
        for violation in plugin["violations"]:
            rule, _, what = violation["ruleName"].partition("[")
            for construct in violation["violatingConstructs"]:
                yield Finding(CDK_NAG, rule, construct["constructPath"], what.rstrip("]") or violation["description"])


def unacknowledged(
    findings: Iterable[Finding], acknowledgements: Sequence[Acknowledgement]
) -> tuple[list[Finding], set[Acknowledgement]]:
    """What is found and not acknowledged; and which acknowledgements were needed."""
    left, needed = [], set()
    for finding in sorted(set(findings)):
        path = re.sub(r"^headwater-[a-z]+-", "", finding.resource)
        covering = [each for each in acknowledgements if each.covers(finding.rule, path, finding.said)]
        needed.update(covering)
        if not covering:
            left.append(finding)
    return left, needed


def findings(stage: str, folder: Path) -> list[Finding]:
    templates = Templates(stage, folder)
    tools = [tool for tool in (cfn_lint, checkov) if tool is cfn_lint or stage in CHECKED_BY_CHECKOV]
    with ThreadPoolExecutor(len(tools)) as threads:
        found = [each for tool in threads.map(lambda tool: list(tool(templates)), tools) for each in tool]
    return [*found, *cdk_nag(templates)]


@contextmanager
def _unsaid() -> Iterator[None]:
    """cdk-nag tells the terminal of every finding, acknowledged or not, from a process behind ours."""
    terminal = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _beside_python(program: str) -> str:
    return str(Path(sys.executable).parent / program)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # checkov asks a service of its makers for news, unless told otherwise.
    environment = {**os.environ, "CKV_IGNORE_HIDDEN_DIRECTORIES": "false", "BC_SKIP_MAPPING": "true"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)


def _json(ended: subprocess.CompletedProcess[str], command: Sequence[str]):  # type: ignore[no-untyped-def]
    try:
        return json.loads(ended.stdout or "[]")
    except ValueError:
        raise SystemExit(f"{Path(command[0]).name} failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}") from None


def main() -> None:
    stages = tuple(sys.argv[1:]) or STAGES
    state = state_of_sources()
    fine = KEPT / "fine"
    if state and stages == STAGES and fine.is_file() and fine.read_text() == state:
        return
    kept = KEPT / state if state and stages == STAGES else None
    # Spawned, not forked: each has a Node.js of its own behind the CDK.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        found = [each for of_stage in processes.map(_review, stages, [kept] * len(stages)) for each in of_stage]
    left, needed = unacknowledged(found, ACKNOWLEDGEMENTS)
    for finding in left:
        print(f"{finding.tool} {finding.rule} {finding.resource}: {finding.said}")  # noqa: T201
    idle = [] if stages != STAGES else [each for each in ACKNOWLEDGEMENTS if each not in needed]
    for each in idle:
        print(f"infra/acknowledged.py: nobody finds {each.rule} at {', '.join(each.resources)} any more")  # noqa: T201
    if left or idle:
        sys.exit(1)
    if kept is not None:
        fine.write_text(state)
        for outdated in KEPT.iterdir():
            if outdated.is_dir() and outdated != kept:
                shutil.rmtree(outdated, ignore_errors=True)


def _review(stage: str, keep: Path | None) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        found = findings(stage, Path(folder))
        if keep is not None:
            (keep / stage).mkdir(parents=True, exist_ok=True)
            for template in Path(folder).glob("*.template.json"):
                shutil.copy(template, keep / stage)
    return found


if __name__ == "__main__":
    main()
