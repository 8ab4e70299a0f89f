"""The synthesised templates, as tests want to ask them; made once per test run, in a process of its own.

Bundling is replaced by an empty archive: what is inside a bundle is tests/infra/test_bundles.py's business.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


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


def templates(folder: Path) -> Templates:
    """The templates in `folder`, made first if no other process of this test run has."""
    folder.mkdir(exist_ok=True)
    done = folder / "manifest.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            # AWS is never asked: without credentials or a region it could not be.
            environment = {
                name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HEADWATER_"))
            }
            command = [sys.executable, "-m", "tests.templates"]
            subprocess.run(command, cwd=ROOT, env={**environment, "CDK_OUTDIR": str(folder)}, check=True, timeout=110)
    return Templates(
        {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted(folder.glob("*.template.json"))
        }
    )


def _synthesise() -> None:
    os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "18,20"
    from aws_cdk import App

    from infra.bundling import Bundle
    from infra.cdk_app import CDK_CONTEXT, add_stacks
    from infra.config import FunctionRuntime, LocalValues, SignInProvider, local

    def empty_bundle(function: str, runtime: FunctionRuntime) -> Bundle:
        archive = Path(os.environ["CDK_OUTDIR"], f"{function}.zip")
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("functions/__init__.py", "")
        return Bundle(archive, function)

    providers = (
        SignInProvider(name="google", client_id="of-google", client_secret="of-google, hidden"),
        SignInProvider(name="acme", client_id="of-acme", issuer="https://acme.example", label="Acme"),
    )
    app = App(context=CDK_CONTEXT)
    add_stacks(app, stage=local(LocalValues(sign_in_providers=providers)), bundle=empty_bundle)
    app.synth()


if __name__ == "__main__":
    _synthesise()
