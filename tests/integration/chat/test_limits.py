"""How many sockets an address opens, and how often somebody joins, is limited; others are not touched by it."""

from __future__ import annotations

import pytest

import functions.ws_chat.wiring as chat_wiring
from tests.chat_backend import ChatBackend


@pytest.fixture
def strict(chat: ChatBackend, monkeypatch: pytest.MonkeyPatch) -> ChatBackend:
    monkeypatch.setenv("CHAT_CONNECTIONS_PER_MINUTE", "3")
    monkeypatch.setenv("CHAT_JOINS_PER_MINUTE", "2")
    chat_wiring.wiring.cache_clear()
    return chat


def test_an_address_opens_only_so_many_sockets(strict: ChatBackend) -> None:
    assert [strict.connect()[0] for _ in range(5)] == [200, 200, 200, 429, 429]


def test_joining_over_and_over_is_refused_for_a_user_on_all_sockets_and_for_nobody_else(strict: ChatBackend) -> None:
    first, second = strict.signed_in("ana"), strict.signed_in("ana")
    reader = strict.connect()[1]
    strict.join(first)
    strict.join(second)
    refused = strict.frame(first, "join", nonce="n")
    assert (refused["type"], refused["code"], refused["nonce"]) == ("error", "rate_limited", "n")
    assert refused["retry_after"] >= 1
    strict.join(reader)
