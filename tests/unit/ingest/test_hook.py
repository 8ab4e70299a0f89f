"""The little that the relay reads from a hook."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtmp_ingest.hook import Hook

PREFIX = b"app=live&flashver=x&swfurl=&tcurl=rtmp://h/live&pageurl=&addr=10.1.2.3&clientid=7"


@given(query=st.text(max_size=80))
def test_a_publisher_s_query_changes_nothing_that_nginx_said(query: str) -> None:
    hook = Hook(PREFIX + b"&call=publish&name=key&type=live&" + query.encode(), 1)
    assert (hook.client_id, hook.address, hook.is_of_a_player) == ("7", "10.1.2.3", False)


def test_only_the_true_call_of_a_publish_becomes_a_done() -> None:
    hook = Hook(PREFIX + b"&call=publish&name=key&type=live&call=publish&", 1)
    assert hook.as_done(2) == Hook(PREFIX + b"&call=publish_done&name=key&type=live&call=publish&", 2)


def test_a_body_with_binary_in_it_or_without_a_connection_is_not_clean() -> None:
    assert Hook(PREFIX + b"&call=publish&name=key", 1).is_clean
    assert not Hook(PREFIX + b"&call=publish&name=key&\xff", 1).is_clean
    assert not Hook(PREFIX + b"&call=publish&name=key&\x00", 1).is_clean
    assert not Hook(b"app=live&call=publish&name=key", 1).is_clean
    assert not Hook(b"app=live&clientid=x1&call=publish&name=key", 1).is_clean
