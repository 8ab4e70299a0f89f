"""The synthesised templates, as tests want to ask them; made once per test run and stage, in a process of its own.

Bundling is replaced by an empty archive: what is inside a bundle is tests/infra/test_bundles.py's business. The stages on
AWS have the values of infra/settings.example.toml, and whatever a test puts over them.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from infra.config.deployer_values import read_values
from infra.config.local_values import LocalValues, local
from infra.config.stage import Stage
from infra.config.stages import stage_of_values
from infra.config.values import SignInProvider
from infra.kept_templates import kept_templates

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "infra" / "settings.example.toml"


@dataclass(frozen=True)
class Resource:
    stack: str
    logical_id: str
    type: str
    properties: dict[str, Any]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.stack}/{self.logical_id}"


@dataclass(frozen=True)
class Templates:
    """Every stack's template, with references between stacks followed to the resource that is meant."""

    stacks: dict[str, dict[str, Any]]

    def resources(self, type_: str) -> list[Resource]:
        return [resource for resource in self._all() if resource.type == type_]

    def function(self, name: str) -> Resource:
        """The function made from functions/<name>."""
        handler = f"functions.{name}.handler.handler"
        [found] = [each for each in self.resources("AWS::Lambda::Function") if each.properties["Handler"] == handler]
        return found

    def referred(self, stack: str, value: Any) -> Resource:
        """The resource that a `Ref`, `Fn::GetAtt` or import of either means."""
        if "Fn::ImportValue" in value:
            name = value["Fn::ImportValue"]
            for owner, template in self.stacks.items():
                for output in template.get("Outputs", {}).values():
                    if output.get("Export", {}).get("Name") == name:
                        return self.referred(owner, output["Value"])
            raise KeyError(name)
        logical_id = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
        [found] = [each for each in self._all() if (each.stack, each.logical_id) == (stack, logical_id)]
        return found

    def statements(self, role: Resource) -> list[dict[str, Any]]:
        """Everything that the role may do."""
        return [
            statement
            for policy in self.resources("AWS::IAM::Policy")
            if policy.stack == role.stack and {"Ref": role.logical_id} in policy.properties["Roles"]
            for statement in policy.properties["PolicyDocument"]["Statement"]
        ]

    def _all(self) -> Iterator[Resource]:
        for stack, template in self.stacks.items():
            for logical_id, body in template["Resources"].items():
                yield Resource(stack, logical_id, body["Type"], body.get("Properties", {}), body)


def templates(folder: Path, stage: str = "local", changes: Mapping[str, object] | None = None) -> Templates:
    """The templates of `stage` in `folder`, made first if no other process of this test run has.

    `changes` are settings as TOML has them; a table in them is put over the example's, key by key.
    """
    if stage != "local" and not changes and (kept := kept_templates(stage)) is not None:
        return _read(kept)  # `make check` has just made the very same ones
    folder.mkdir(exist_ok=True)
    done = folder / "manifest.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            # AWS is never asked: without credentials or a region it could not be. Nor is git, Docker or uv: none is found.
            tools = folder / "tools"
            tools.mkdir(exist_ok=True)
            Path(tools, "node").symlink_to(shutil.which("node") or "node")
            environment = {
                name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HEADWATER_"))
            } | {"PATH": str(tools)}
            command = [sys.executable, "-m", "tests.templates", stage, json.dumps(changes or {})]
            subprocess.run(command, cwd=ROOT, env={**environment, "CDK_OUTDIR": str(folder)}, check=True, timeout=400)
    return _read(folder)


def _read(folder: Path) -> Templates:
    return Templates(
        {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted(folder.glob("*.template.json"))
        }
    )


def stage_values(stage: str, changes: Mapping[str, object]) -> Stage:
    """`stage` as a deployer of the example's settings and `changes` has it; `local` takes none."""
    if stage == "local":
        providers = (
            SignInProvider(name="google", client_id="of-google", client_secret="of-google, hidden"),
            SignInProvider(name="acme", client_id="of-acme", issuer="https://acme.example", label="Acme"),
        )
        return local(LocalValues(sign_in_providers=providers))
    given = read_values(str(EXAMPLE))
    for name, value in changes.items():
        before = given.get(name)
        given[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return stage_of_values(stage, given)


def _synthesise(stage: str, changes: Mapping[str, object]) -> None:
    os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "18,20"
    from aws_cdk import App

    from infra.bundling import empty_bundle
    from infra.cdk_app import CDK_CONTEXT, add_stacks

    app = App(context=CDK_CONTEXT)
    folder = Path(os.environ["CDK_OUTDIR"], "bundles")
    add_stacks(app, stage=stage_values(stage, changes), bundle=partial(empty_bundle, build=folder))
    app.synth()


if __name__ == "__main__":
    _synthesise(sys.argv[1], json.loads(sys.argv[2]))
