"""What holds for all integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.adapters import cache, connection_posts


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """The product gives Redis up after a third of a second, and a chat connection after two, for somebody waits; a busy
    machine that runs tests may well need longer. What happens when Redis is away is tested by stopping it, which is
    noticed at once; tests of connections that hang set the limit back.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "CONNECT_TIMEOUT_SECONDS", 10.0)
        patch.setattr(cache, "COMMAND_TIMEOUT_SECONDS", 10.0)
        patch.setattr(connection_posts, "CONNECT_SECONDS", 10.0)
        patch.setattr(connection_posts, "POST_SECONDS", 60.0)
        yield
