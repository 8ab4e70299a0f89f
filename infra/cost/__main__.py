"""`make cost`: synthesises the stages of AWS with the example's settings, writes docs/cost.md, and shows it."""

from __future__ import annotations

import json
import os
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,20")

from aws_cdk import App

from infra.bundling import ROOT, empty_bundle
from infra.cdk_app import CDK_CONTEXT, add_stacks
from infra.config.stages import ON_AWS, stage_named
from infra.cost.page import Templates, page

PAGE = ROOT / "docs" / "cost.md"
SETTINGS = ROOT / "infra" / "settings.example.toml"


def synthesised(stage: str, folder: Path) -> Templates:
    app = App(context=CDK_CONTEXT, outdir=str(folder))
    bundles = partial(empty_bundle, build=folder / "bundles")
    add_stacks(app, stage=stage_named(stage, settings_file=str(SETTINGS)), bundle=bundles)
    app.synth()
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(folder.glob("*.template.json"))
    }


def main() -> None:
    stages = {}
    for stage in ON_AWS:
        with tempfile.TemporaryDirectory() as folder:
            stages[stage] = synthesised(stage, Path(folder))
    written = page(stages)
    PAGE.write_text(written, encoding="utf-8")
    print(written)  # noqa: T201


if __name__ == "__main__":
    main()
