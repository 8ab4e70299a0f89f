"""A broadcast is followed by one query through every stage, and nothing that was secret on its way is written anywhere."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.canaries import BELONGS
from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import ROOT, LocalStack, Stream, eventually, fetch
from tests.e2e.stack_logs import IN_GROUPS, Line, aws, of_functions, of_programs

STAGES = {
    "rtmp-ingest",
    "ingest_hooks",
    "transcode_dispatch",
    "ffmpeg-worker",
    "broadcast_history",
    "chat_status",
    "api",  # which stopped it
    "recording_finaliser",
    "stream_purge",
}
# Of those that alarms watch, what any broadcast leaves.
COUNTED = {
    ("ingest_hooks", "PublishesAccepted"),
    ("ffmpeg-worker", "GoLiveDelay"),
    ("ffmpeg-worker", "SegmentDelay"),
}


@pytest.mark.timeout(300)
def test_one_query_follows_a_broadcast_through_every_stage_and_no_line_holds_a_secret(stack: LocalStack) -> None:
    began_at = time.time()
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture(size="320x180"))):
        assert stream.stream_key not in fetch(stream.wait_for_playlist()).text
        stream.stop()
    broadcast_id = stream.wait_for_recording()["id"]
    stream.owner.call("DELETE", f"/broadcasts/{broadcast_id}")

    def in_groups() -> list[Line]:
        """As the runbook's query has them: all log groups of the stage."""
        return [*of_functions(stack, began_at), *of_programs(stack, *IN_GROUPS)]

    def stages() -> set[str]:
        return {line.fields["service"] for line in in_groups() if line.fields.get("broadcast_id") == broadcast_id}

    eventually(lambda: "stream_purge" in stages(), "the recording is deleted, and a line says so")
    assert stages() >= STAGES
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert [stage for stage in STAGES if f"`{stage}`" not in runbook] == []

    written = in_groups()
    lost = [line for line in written if broadcast_id in line.text and line.fields.get("broadcast_id") != broadcast_id]
    assert lost == [], "lines that speak of the broadcast, and that the query does not find"
    assert metrics_among(written) >= COUNTED
    assert_nothing_secret([*written, *of_programs(stack, "*")], stack, stream)
    assert_nowhere(stream.stream_key.rsplit("_", 1)[1].encode(), stack)


def metrics_among(written: list[Line]) -> set[tuple[str, str]]:
    """(service, name) of all that was counted or measured; by these CloudWatch's alarms find it."""
    found = set()
    for fields in (line.fields for line in written):
        for described in fields.get("_aws", {}).get("CloudWatchMetrics", []):
            assert (described["Namespace"], described["Dimensions"]) == ("Headwater/local", [["service"]])
            found |= {(fields["service"], metric["Name"]) for metric in described["Metrics"]}
    return found


def assert_nothing_secret(written: list[Line], stack: LocalStack, stream: Stream) -> None:
    """Neither the secrets of the deployment, nor what its people sign in and publish with, nor who they are by mail."""
    owner = stream.owner
    canaries = {
        "the stream key": stream.stream_key,
        "the password": "correct-horse-battery-staple",
        "the access token": owner.access_token,
        "the e-mail address": f"{owner.username}@example.com",
        **dict(secrets_of(stack)),
    }
    assert len(canaries) > 8
    forms = {what: form for what, (form, _) in BELONGS.items()}
    for what, canary in canaries.items():
        # As it is, or as it is in the midst of JSON.
        forms[what] = re.compile("|".join(map(re.escape, {canary, json.dumps(canary)[1:-1]})))
    leaking = {(what, line.source) for line in written for what, form in forms.items() if form.search(line.text)}
    assert leaking == set()


def secrets_of(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Every value in Secrets Manager, as far as it is one word; of a private key the second line, of a URL the password."""
    secrets = aws(stack, "secretsmanager")
    for secret in secrets.list_secrets()["SecretList"]:
        value = json.loads(secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"])
        for number, word in enumerate(words_in(value)):
            if word.startswith("-----BEGIN PRIVATE"):
                yield f"{secret['Name']} {number}", word.splitlines()[1]
            elif password := urlsplit(word).password if "://" in word else word:
                yield f"{secret['Name']} {number}", password


def words_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) >= 32:  # what is shorter is a name
            yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from words_in(each)


def assert_nowhere(secret: bytes, stack: LocalStack) -> None:
    """In no file that the stack has, and in the name of none: neither in a log, nor in an object, nor in its key."""
    leaking = [
        str(path.relative_to(stack.data.parent))
        for path in [*files_below(stack.data), stack.log]
        if path.is_file() and (secret in str(path).encode() or holds(path, secret))
    ]
    assert leaking == []


def files_below(folder: Path) -> Iterator[Path]:
    """Of a stack that is at work, whose folders come and go meanwhile; rglob would fail."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def holds(path: Path, secret: bytes, piece_bytes: int = 1 << 22) -> bool:
    """Whether `secret` is anywhere in the file, read piece by piece: logs and databases may be larger than memory."""
    end = b""
    try:
        with path.open("rb") as file:
            while piece := file.read(piece_bytes):
                if secret in end + piece:
                    return True
                end = (end + piece)[-len(secret) + 1 :]
    except OSError:
        pass  # gone meanwhile, or a socket
    return False


def test_a_secret_is_found_wherever_the_pieces_of_a_file_are_cut(tmp_path: Path) -> None:
    for start in range(24):
        (tmp_path / "log").write_bytes(b"." * start + b"secret" + b"." * 9)
        assert holds(tmp_path / "log", b"secret", piece_bytes=4)
    assert not holds(tmp_path / "log", b"secreted", piece_bytes=4)
