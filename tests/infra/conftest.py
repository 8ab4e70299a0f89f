from __future__ import annotations

from pathlib import Path

import pytest

from tests.templates import Templates, templates


@pytest.fixture(scope="session")
def synthesised(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The templates of the stage `local`, shared by the processes of one test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    return templates(Path(shared, "cdk.out"))
