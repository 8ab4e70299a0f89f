from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws import Account, fresh_account


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with fresh_account(monkeypatch) as made:
        yield made
