from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.templates import Templates, templates


@pytest.fixture(scope="session")
def of_stage(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Templates]:
    """The templates of a stage, `of_stage("dev", database={"max_acu": 4})`: made once for all processes of one test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base

    def made(stage: str, **changes: object) -> Templates:
        called = hashlib.sha256(json.dumps([stage, changes], sort_keys=True).encode()).hexdigest()[:12]
        return templates(Path(shared, f"cdk.out-{stage}-{called}"), stage, changes)

    return made


@pytest.fixture(scope="session")
def synthesised(of_stage: Callable[..., Templates]) -> Templates:
    """The templates of the stage `local`."""
    return of_stage("local")
