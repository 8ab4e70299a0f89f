"""Stage 1 · one ingest node from start to stop: nginx, the hook relay and the source server live and end together."""

from __future__ import annotations

import http.client
import logging
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

from rtmp_ingest.announcer import Announcer
from rtmp_ingest.done_sender import DoneSender
from rtmp_ingest.done_spool import DoneSpool
from rtmp_ingest.hooks_api import HooksApi
from rtmp_ingest.nginx_conf import TEMPLATE, render
from rtmp_ingest.nginx_process import NginxProcess
from rtmp_ingest.publisher_count import PublisherCount
from rtmp_ingest.relay import HookRelay
from rtmp_ingest.relay_server import RelayServer
from rtmp_ingest.settings import Settings, parse_networks
from rtmp_ingest.source_process import SourceProcess
from rtmp_ingest.task_address import pull_base
from rtmp_ingest.task_protection import TaskProtection

READY_SECONDS = 10.0
LOOK_SECONDS = 0.1

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT (0), or until nginx is gone (1). Then nobody new is let in, and who publishes may go on for
    `drain_seconds`. Publishers are told done, or it waits on disk."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    node = f"{settings.node_id}-{secrets.token_hex(6)}"  # a new one each run: connection serials start anew
    state_dir = Path(settings.state_dir)
    configuration = _prepare(state_dir, settings)
    base = pull_base(settings)
    parse_networks(settings.pull_allow)

    api = HooksApi(settings.hooks_url, settings.hook_signing_key.encode())
    dones = DoneSender(DoneSpool(state_dir / "spool"), api)
    relay = HookRelay(node=node, pull_base=base, api=api, dones=dones, attach=lambda name: sources.attach(name))
    sources = SourceProcess(settings, relay.live_names)
    server = RelayServer(settings.relay_port, relay, dones)
    server.serve_in_background()
    nginx = NginxProcess(settings.nginx, configuration, state_dir)
    # Without a service there is nothing that would choose this task: whoever started it knows how many publish.
    protection = TaskProtection(None if settings.announce_url else settings.ecs_agent_uri)
    announcer = Announcer.of(settings, node=node, pull_base=base, relay=relay)
    count = PublisherCount(settings.metrics_namespace, sys.stdout.write)
    dones.start()
    try:
        if sources.wait_until_ready() and _is_ready(settings.loopback_port, nginx, stop):
            log.info("ready node=%s rtmp=%s pull=%s", node, settings.rtmp_listen, base)
            announcer.start()
            while nginx.is_running and not stop.is_set():
                protection.keep(publishers=relay.publishers)
                count.tell(relay.publishers)
                stop.wait(LOOK_SECONDS)
            relay.drain()
            announcer.say_now()
            _drain(relay, nginx, settings.drain_seconds)
        log.info("stopping" if stop.is_set() else "nginx is gone, or something does not answer, stopping")
    finally:
        relay.drain()
        announcer.stop()
        nginx.stop()
        sources.stop()
        relay.abandon_publishers()
        left = dones.flush(settings.flush_seconds)
        dones.stop()
        server.shutdown()
        server.server_close()
        api.close()
    log.info("stopped, dones left for the next run: %d", left)
    return 0 if stop.is_set() else 1


def _drain(relay: HookRelay, nginx: NginxProcess, seconds: float) -> None:
    relay.drain()
    give_up_at = time.monotonic() + seconds
    if relay.publishers and seconds:
        log.info("draining: %d publish, for up to %.0f s", relay.publishers, seconds)
    while nginx.is_running and relay.publishers and time.monotonic() < give_up_at:
        time.sleep(LOOK_SECONDS)


def _prepare(state_dir: Path, settings: Settings) -> Path:
    """The state folder with the rendered configuration in it; ours alone, because hook bodies hold keys."""
    (state_dir / "temp").mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = state_dir / "nginx.conf"
    configuration.write_text(render(settings, TEMPLATE.read_text()))
    return configuration


def _is_ready(loopback_port: int, nginx: NginxProcess, stop: threading.Event) -> bool:
    """Wait until nginx answers; False when it ended, when we are to stop, or after ten seconds."""
    give_up_at = time.monotonic() + READY_SECONDS
    while nginx.is_running and time.monotonic() < give_up_at and not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", loopback_port, timeout=1.0)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        stop.wait(LOOK_SECONDS)
    return False
