"""Real encoders, a real nginx-rtmp, the real relay and function: who may publish, and what becomes of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from headwater.domain.broadcast_events import RotateKey, Stop
from tests.hooks_api import HooksApi
from tests.integration.ingest.conftest import Stream, is_live
from tests.nginx_rtmp import IngestNode, encoder, eventually, ingest_node, pulled_packets, rtmp_connection


def test_a_right_key_publishes_under_a_new_name_from_which_anybody_allowed_can_pull(
    node: IngestNode, stream: Stream
) -> None:
    with encoder(f"{node.base}/{stream.key}"):
        assert is_live(node, stream), node.log()
        url = stream.pull_url or ""
        broadcast = stream.control.broadcast
        assert broadcast is not None
        assert re.fullmatch(rf"{re.escape(node.pull_base)}/{broadcast.broadcast_id}-1-[0-9a-f]{{32}}", url)
        kinds = {kind for kind, _ in pulled_packets(url, 2)}
        assert kinds == {"audio", "video"}
        assert url.rpartition("/")[2] in node.stat()
        assert stream.key not in node.stat()
        assert pulled_packets(f"{node.pull_base}/{stream.key}", 1) == []  # the key is no name to pull
    assert eventually(lambda: stream.pull_url is None)
    assert stream.key not in node.log()
    assert url.rpartition("-")[2] not in node.log()  # the random part is what lets somebody pull


def test_wrong_and_hostile_keys_are_refused_and_change_nothing(
    node: IngestNode, stream: Stream, other_stream: Stream
) -> None:
    other_stream.broadcasts.apply(other_stream.id, RotateKey())
    before = stream.control, other_stream.control
    wrong_tag = stream.key[:-1] + ("a" if stream.key[-1] != "a" else "b")
    names = [
        "",
        "x",
        wrong_tag,
        other_stream.key,  # rotated
        stream.key.upper(),
        stream.key + "x" * 300,
        "x" * 2_000,
        f"../../../{stream.key}",
        f"live_\0{stream.key}",
        f'"{stream.key}"',
        "$(id)",
        f"{wrong_tag}?name={stream.key}&addr=10.0.0.1&call=publish",
        f"?name={stream.key}",
        f"{wrong_tag}&name={stream.key}",
        "canary-live_äöü-鍵",
        "%00%2e%2e%2f",
        "rtmp://127.0.0.1/live/x",
    ]
    for name in names:
        with rtmp_connection(node.base, name) as connection:
            assert connection.is_refused(), name
    assert (stream.control, other_stream.control) == before
    assert node.health() == 200
    for secret in (stream.key, other_stream.key, wrong_tag):
        assert secret.lower() not in (node.log() + node.stat()).lower()
    assert "canary" not in node.log()


def test_a_query_that_repeats_nginx_s_fields_only_touches_the_publisher_s_own_stream(
    node: IngestNode, stream: Stream, other_stream: Stream
) -> None:
    with encoder(f"{node.base}/{other_stream.key}"):
        assert is_live(node, other_stream), node.log()
        victim_url = other_stream.pull_url
        query = f"name={other_stream.key}&clientid=1&addr=10.9.9.9&call=publish_done"
        with rtmp_connection(node.base, f"{stream.key}?{query}"):
            assert is_live(node, stream), node.log()
        assert eventually(lambda: stream.pull_url is None)
        assert other_stream.pull_url == victim_url


def test_a_second_publisher_is_refused_and_the_first_one_s_packets_stay_continuous(
    node: IngestNode, stream: Stream
) -> None:
    with encoder(f"{node.base}/{stream.key}") as first:
        assert is_live(node, stream), node.log()
        url = stream.pull_url or ""
        packets: list[tuple[str, float]] = []
        pulling = threading.Thread(target=lambda: packets.extend(pulled_packets(url, 4)))
        pulling.start()
        for _ in range(5):
            with rtmp_connection(node.base, stream.key) as second:
                assert second.is_refused()
        with encoder(f"{node.base}/{stream.key}") as second_encoder:
            assert eventually(lambda: not second_encoder.is_publishing)
        pulling.join()
        assert first.is_publishing
        assert stream.pull_url == url
        frames = [at for kind, at in packets if kind == "video"]
        assert len(frames) > 30
        assert all(0 < later - earlier < 0.1 for earlier, later in pairwise(frames))


@pytest.mark.parametrize("event", [RotateKey(), Stop()])
def test_the_owner_can_have_the_encoder_dropped(node: IngestNode, stream: Stream, event: RotateKey | Stop) -> None:
    with encoder(f"{node.base}/{stream.key}") as publishing:
        assert is_live(node, stream), node.log()
        stream.broadcasts.apply(stream.id, event)
        assert eventually(lambda: not publishing.is_publishing), node.log()
        assert "update kicked" in node.log()


def test_after_a_stop_an_encoder_that_comes_back_is_refused_for_a_moment_and_then_begins_anew(
    node: IngestNode, stream: Stream
) -> None:
    with encoder(f"{node.base}/{stream.key}") as publishing:
        assert is_live(node, stream), node.log()
        first_url = stream.pull_url
        stream.broadcasts.apply(stream.id, Stop())
        assert eventually(lambda: not publishing.is_publishing), node.log()
    refused = 0
    while True:
        with encoder(f"{node.base}/{stream.key}") as publishing:
            # ends when the encoder is let in, or turned away
            assert eventually(lambda: stream.pull_url not in (None, first_url) or not publishing.is_publishing, 20)
            if publishing.is_publishing:
                break
            refused += 1
    assert refused > 0, node.log()


def test_an_encoder_that_freezes_gives_its_claim_back(node: IngestNode, stream: Stream) -> None:
    with encoder(f"{node.base}/{stream.key}") as publishing:
        assert is_live(node, stream), node.log()
        time.sleep(1)
        publishing.freeze()
        assert eventually(lambda: stream.pull_url is None), node.log()


def test_an_encoder_that_connects_and_leaves_at_once_leaves_no_claim(
    node: IngestNode, api: HooksApi, stream: Stream
) -> None:
    def all_over() -> bool:
        asked, ended = api.calls("publish"), api.calls("publish_done")
        accepted = {hook.field("clientid") for hook in asked if hook.status == 302}
        return bool(accepted) and accepted <= {hook.field("clientid") for hook in ended}

    for _ in range(5):
        with rtmp_connection(node.base, stream.key):
            pass
    time.sleep(1)
    assert eventually(all_over), node.log()
    assert stream.pull_url is None
    assert eventually(lambda: '"publishers": 0' in node.get("/health")), node.log()


def test_a_publish_with_an_empty_name_on_a_live_connection_is_refused(node: IngestNode, stream: Stream) -> None:
    with rtmp_connection(node.base, stream.key) as connection:
        assert is_live(node, stream), node.log()
        connection.publish("")
        assert connection.is_refused()


def test_a_connection_that_stops_and_publishes_again_is_a_new_session_of_the_same_broadcast(
    node: IngestNode, stream: Stream
) -> None:
    with rtmp_connection(node.base, stream.key) as connection:
        assert is_live(node, stream), node.log()
        for _ in range(3):
            connection.close_stream()
            connection.publish(stream.key)  # in the same packet, nearly
            time.sleep(0.5)
        assert eventually(lambda: "-4-" in (stream.pull_url or "")), node.log()
        assert not connection.dropped()


def test_a_source_without_video_can_be_pulled(node: IngestNode, stream: Stream) -> None:
    with encoder(f"{node.base}/{stream.key}", video=False):
        assert is_live(node, stream), node.log()
        assert {kind for kind, _ in pulled_packets(stream.pull_url or "", 2)} == {"audio"}


def test_a_source_without_audio_can_be_pulled(node: IngestNode, stream: Stream) -> None:
    with encoder(f"{node.base}/{stream.key}", audio=False):
        assert is_live(node, stream), node.log()
        assert {kind for kind, _ in pulled_packets(stream.pull_url or "", 2)} == {"video"}


def test_a_player_leaves_with_its_publisher(node: IngestNode, stream: Stream) -> None:
    with encoder(f"{node.base}/{stream.key}") as publishing:
        assert is_live(node, stream), node.log()
        with subprocess.Popen(
            ["ffmpeg", "-v", "error", "-nostdin", "-i", stream.pull_url or "", "-c", "copy", "-f", "null", "-"]
        ) as player:
            time.sleep(1.5)
            publishing.stop()
            assert player.wait(60) is not None


def test_only_allowed_networks_may_play(api: HooksApi, stream: Stream, tmp_path: Path) -> None:
    with (
        ingest_node(tmp_path / "closed", api.url, pull_allow="10.0.0.0/8") as node,
        encoder(f"{node.base}/{stream.key}") as publishing,
    ):
        assert is_live(node, stream), node.log()
        assert pulled_packets(stream.pull_url or "", 1) == []
        assert publishing.is_publishing


def test_players_are_no_business_of_the_api(node: IngestNode, api: HooksApi, stream: Stream) -> None:
    with encoder(f"{node.base}/{stream.key}"):
        assert is_live(node, stream), node.log()
        assert pulled_packets(stream.pull_url or "", 3)
    assert {hook.field("call") for hook in api.received} <= {"publish", "update_publish", "publish_done"}


def test_control_and_statistics_answer_on_loopback_only(api: HooksApi, tmp_path: Path) -> None:
    with ingest_node(tmp_path / "node", api.url, host="127.0.0.2", pull_allow="127.0.0.2/32") as node:
        listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
        ports = {node.loopback_port, node.relay_port, node.rtmp_port, node.pull_port}
        bound = {line.split()[3] for line in listening.splitlines() if int(line.split()[3].rpartition(":")[2]) in ports}
        assert bound == {
            f"127.0.0.1:{node.loopback_port}", f"127.0.0.1:{node.relay_port}",
            f"127.0.0.2:{node.rtmp_port}", f"127.0.0.2:{node.pull_port}",
        }  # fmt: skip


def test_a_node_that_is_told_to_stop_keeps_its_publisher_and_lets_nobody_else_in(
    api: HooksApi, tmp_path: Path, stream: Stream, other_stream: Stream
) -> None:
    with ingest_node(tmp_path / "leaving", api.url, drain_seconds="100") as node:
        with encoder(f"{node.base}/{stream.key}") as publishing:
            assert is_live(node, stream), node.log()
            url = stream.pull_url or ""
            node.process.terminate()
            assert eventually(lambda: node.health() == 503)
            healthy = [sys.executable, "-m", "rtmp_ingest.healthy"]
            told = {**os.environ, "LOOPBACK_PORT": str(node.loopback_port), "PYTHONPATH": "containers/rtmp-ingest"}
            assert subprocess.run(healthy, env=told, check=False).returncode == 0, "ECS shall not kill it for leaving"
            with rtmp_connection(node.base, other_stream.key) as other:
                assert other.is_refused()
            assert {kind for kind, _ in pulled_packets(url, 2)} == {"audio", "video"}
            assert publishing.is_publishing
            assert stream.pull_url == url
        assert node.process.wait(60) == 0, "as soon as nobody publishes"
    assert eventually(lambda: stream.pull_url is None)
    assert subprocess.run(healthy, env=told, check=False).returncode == 1
