"""Records tests/events/hooks/*.json anew from a real nginx-rtmp: `python -m tests.events.record_hooks`, about 20 s.

The keys in them are derived from SECRET for STREAM_ID, so that tests can check them for real.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from headwater.domain.ids import StreamId
from headwater.domain.stream_key import derive_stream_key
from tests.hooks_api import hooks_api, rename_everything
from tests.nginx_rtmp import encoder, eventually, ingest_node, pulled_packets, rtmp_connection

FOLDER = Path(__file__).with_name("hooks")
SECRET = b"a stream key secret for recorded hooks"
STREAM_ID = StreamId("06e4q8mzr2x7v5w9c1d3f8")
VICTIM_ID = StreamId("06e4q8mzr2x7v5w9c1d3f9")
KEY = derive_stream_key(SECRET, STREAM_ID, 1)
VICTIM_KEY = derive_stream_key(SECRET, VICTIM_ID, 1)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        hooks_api(rename_everything) as api,
        ingest_node(Path(folder), api.url) as node,
    ):
        saved: set[int] = set()  # positions in api.received

        def save(file: str, what: str, call: str) -> None:
            def found() -> list[int]:
                hooks = enumerate(list(api.received))
                return [at for at, hook in hooks if hook.field("call") == call and at >= max(saved, default=0)]

            assert eventually(lambda: set(found()) - saved), (file, node.log())
            at = max(set(found()) - saved)
            saved.add(at)
            hook = api.received[at]
            headers = {name: value for name, value in hook.headers.items() if name.startswith("X-Headwater-")}
            record = {"what": what, "headers": headers, "body": hook.body}
            FOLDER.joinpath(file).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
            sys.stdout.write(f"{file}\n")

        with encoder(f"{node.base}/{KEY}") as publishing:
            save("publish.json", "FFmpeg publishes", "publish")
            save("update_publish.json", "the heartbeat of the same session", "update_publish")
            with encoder(f"{node.base}/{KEY}", seconds=3) as second:
                save("publish_second.json", "a second encoder publishes with the same key", "publish")
                assert second.is_publishing
            pulled_packets(f"{node.base}/everyone-1-{'0' * 32}", 1)
            publishing.stop()
            save("publish_done.json", "FFmpeg stops", "publish_done")

        with rtmp_connection(node.base, f"{KEY}?name={VICTIM_KEY}&addr=1.2.3.4&clientid=1&call=publish_done&time=9"):
            time.sleep(0.5)
            save("publish_with_query.json", "a query that repeats the fields of nginx", "publish")
            save("update_with_query.json", "its heartbeat", "update_publish")
        save("done_with_query.json", "its end", "publish_done")

        with rtmp_connection(node.base, KEY) as connection:
            time.sleep(0.5)
            connection.publish("")
            time.sleep(0.5)
            save("publish_empty_name.json", "a publisher publishes again, with an empty name", "publish")

        for file, name in {
            "publish_path.json": "../../../etc/passwd",
            "publish_quotes.json": "'\"; drop table streams; --",
            "publish_shell.json": "$(id)`id`",
            "publish_nul.json": f"{KEY}\0tail",
            "publish_overlong.json": "x" * 2000,
            "publish_not_ascii.json": "clé-ключ-鍵",
        }.items():
            with rtmp_connection(node.base, name):
                time.sleep(0.5)
                save(file, f"a hostile name: {name[:40]!r}", "publish")


if __name__ == "__main__":
    main()
