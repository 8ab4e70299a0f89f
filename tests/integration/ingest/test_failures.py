"""What an ingest node does when something it needs is gone: publish fails closed, update open, a done is never lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.hooks_api import HooksApi
from tests.integration.ingest.conftest import Stream, is_live
from tests.nginx_rtmp import IngestNode, encoder, eventually, ingest_node, rtmp_connection


def spooled(node: IngestNode) -> list[Path]:
    return sorted((node.state_dir / "spool").glob("*.done"))


def test_with_the_api_away_the_publisher_stays_newcomers_are_refused_and_the_done_waits_across_a_restart(
    api: HooksApi, stream: Stream, other_stream: Stream, tmp_path: Path
) -> None:
    with ingest_node(tmp_path / "node", api.url) as node:
        with encoder(f"{node.base}/{stream.key}") as publishing:
            assert is_live(node, stream), node.log()
            api.down = True
            with rtmp_connection(node.base, other_stream.key) as newcomer:
                assert newcomer.is_refused(12), node.log()  # meanwhile several heartbeats went unanswered
            assert publishing.is_publishing
        assert eventually(lambda: len(spooled(node)) == 2)  # the publisher's, and the one whose publish is undecided
        assert stream.pull_url is not None
        first_run = api.calls("publish")[0].headers["X-Headwater-Node"]
    assert len(spooled(node)) == 2
    api.down = False
    with ingest_node(tmp_path / "node", api.url) as restarted:
        assert eventually(lambda: stream.pull_url is None), restarted.log()
        assert eventually(lambda: not spooled(restarted))
    dones = api.calls("publish_done")
    assert {done.headers["X-Headwater-Node"] for done in dones} == {first_run}
    assert {done.status for done in dones} == {204}
    assert other_stream.control.broadcast is None


def test_an_answer_that_is_not_our_function_s_never_drops_a_publisher(
    node: IngestNode, api: HooksApi, stream: Stream
) -> None:
    def answered(status: int) -> bool:
        return any(hook.status == status for hook in api.calls("update_publish"))

    with encoder(f"{node.base}/{stream.key}") as publishing:
        assert is_live(node, stream), node.log()
        for status in (403, 500):
            api.forced_status = status
            assert eventually(partial(answered, status))
        api.forced_status = None
        time.sleep(0.5)
        assert publishing.is_publishing


def test_a_redirect_that_is_no_stream_name_lets_nobody_in(node: IngestNode, api: HooksApi, stream: Stream) -> None:
    location = ""

    def redirect(event: dict[str, Any], context: object) -> dict[str, Any]:
        return {"statusCode": 302, "headers": {"Location": location}}

    api.answer = redirect
    for location in ("https://login.example.org/", "rtmp://10.0.0.1/live/x", "", "a/b", "x" * 300):
        with rtmp_connection(node.base, stream.key) as connection:
            assert connection.is_refused(), location


def test_a_done_is_tried_until_it_is_accepted(node: IngestNode, api: HooksApi, stream: Stream) -> None:
    with encoder(f"{node.base}/{stream.key}"):
        assert is_live(node, stream), node.log()
        api.forced_status = 503
    assert eventually(lambda: len(api.calls("publish_done")) >= 3)
    api.forced_status = None
    assert eventually(lambda: stream.pull_url is None and not spooled(node))


def test_a_reconnecting_encoder_s_done_goes_ahead_of_its_publish(
    node: IngestNode, api: HooksApi, stream: Stream
) -> None:
    with rtmp_connection(node.base, stream.key):
        assert is_live(node, stream), node.log()
        api.down = True
    assert eventually(lambda: spooled(node))
    time.sleep(2)  # the sender has lost its patience by now, and pauses
    api.down = False
    with rtmp_connection(node.base, stream.key) as again:
        assert eventually(lambda: stream.control.broadcast and stream.control.broadcast.sessions == 2), node.log()
        assert not again.dropped()


def test_term_drops_the_publishers_and_tells_their_dones(
    node: IngestNode, stream: Stream, other_stream: Stream
) -> None:
    with encoder(f"{node.base}/{stream.key}") as one, rtmp_connection(node.base, other_stream.key):
        assert eventually(lambda: stream.pull_url and other_stream.pull_url), node.log()
        nginx = node.nginx_pid()
        assert node.stop() == 0
        assert stream.pull_url is None
        assert other_stream.pull_url is None
        assert not node.is_listening()
        assert not Path(f"/proc/{nginx}").exists()
        assert eventually(lambda: not one.is_publishing)
    assert "stopped, dones left for the next run: 0" in node.log()


def test_term_with_the_api_away_leaves_the_dones_on_disk(api: HooksApi, stream: Stream, tmp_path: Path) -> None:
    with ingest_node(tmp_path / "node", api.url) as node, rtmp_connection(node.base, stream.key):
        assert is_live(node, stream), node.log()
        api.down = True
        assert node.stop() == 0
        assert len(spooled(node)) == 1
        assert stream.key not in node.log()


def test_a_done_outlives_the_kill_of_its_node(api: HooksApi, stream: Stream, tmp_path: Path) -> None:
    with ingest_node(tmp_path / "node", api.url) as node:
        with encoder(f"{node.base}/{stream.key}"):
            assert is_live(node, stream), node.log()
            api.down = True
        assert eventually(lambda: spooled(node))
        node.process.kill()
        node.process.wait()
    api.down = False
    assert stream.pull_url is not None
    with ingest_node(tmp_path / "node", api.url) as restarted:
        assert eventually(lambda: stream.pull_url is None and not spooled(restarted)), restarted.log()


def test_term_does_not_wait_for_an_api_that_hangs(api: HooksApi, stream: Stream, tmp_path: Path) -> None:
    hanging, function = threading.Event(), api.answer

    def hang(event: dict[str, Any], context: object) -> dict[str, Any]:
        hanging.wait(30)
        return {"statusCode": 503}

    with ingest_node(tmp_path / "node", api.url) as node, rtmp_connection(node.base, stream.key):
        assert is_live(node, stream), node.log()
        api.answer = hang
        with rtmp_connection(node.base, stream.key):  # whose publish is being decided
            time.sleep(0.3)
            assert node.stop() == 0
        assert len(spooled(node)) == 2
        hanging.set()
    api.answer = function
    with ingest_node(tmp_path / "node", api.url) as restarted:
        assert eventually(lambda: stream.pull_url is None and not spooled(restarted)), restarted.log()


def test_when_nginx_dies_the_node_tells_the_dones_it_could_not_send_and_ends(node: IngestNode, stream: Stream) -> None:
    with encoder(f"{node.base}/{stream.key}"):
        assert is_live(node, stream), node.log()
        os.kill(node.nginx_pid(), signal.SIGKILL)
        assert eventually(lambda: node.process.poll() is not None)
    assert node.process.returncode == 1
    assert stream.pull_url is None
    assert not node.is_listening()


def test_a_killed_node_takes_its_nginx_along(node: IngestNode) -> None:
    nginx = node.nginx_pid()
    node.process.kill()
    node.process.wait()
    assert eventually(lambda: not Path(f"/proc/{nginx}").exists())
    assert not node.is_listening()


def test_a_draining_node_lets_nobody_in(node: IngestNode, api: HooksApi) -> None:
    assert node.health() == 200
    assert node.stop() == 0
    assert node.health() == 0


def test_a_node_that_cannot_have_its_port_says_so_and_ends(api: HooksApi, node: IngestNode, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Address already in use"):
        IngestNode(tmp_path / "second", api.url, rtmp_port=node.rtmp_port)
