"""Dones on disk: durable, private, in order, and never in the way of a start."""

from __future__ import annotations

import stat
from pathlib import Path

from rtmp_ingest.done_spool import DoneSpool, SpooledDone
from rtmp_ingest.hook import Hook


def done(occurred_at: int, client_id: int = 1) -> SpooledDone:
    body = b"app=live&clientid=%d&call=publish_done&name=\xff\x00raw" % client_id
    return SpooledDone("node-1", "http://10.0.3.7:1936/sources", Hook(body, occurred_at))


def test_what_was_written_is_left_behind_byte_for_byte_and_in_order(tmp_path: Path) -> None:
    spool = DoneSpool(tmp_path / "spool")
    for occurred_at in (3_000, 1_000, 20_000, 2_000):
        spool.write(done(occurred_at))
    found = DoneSpool(tmp_path / "spool").left_behind()
    assert [d.hook.occurred_at for d in found] == [1_000, 2_000, 3_000, 20_000]
    assert found[0] == done(1_000)


def test_what_was_removed_is_gone(tmp_path: Path) -> None:
    spool = DoneSpool(tmp_path)
    spool.remove(spool.write(done(1)))
    assert spool.left_behind() == []


def test_nobody_else_can_read_the_spool(tmp_path: Path) -> None:
    spool = DoneSpool(tmp_path / "spool")
    written = spool.write(done(1))
    assert written.path is not None
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(written.path.parent.stat().st_mode) == 0o700


def test_half_written_and_foreign_files_do_not_stop_a_start(tmp_path: Path) -> None:
    spool = DoneSpool(tmp_path)
    spool.write(done(7))
    (tmp_path / "000000000000001-1-000000.partial").write_bytes(b'{"node": "no')
    (tmp_path / "000000000000002-1-000000.done").write_bytes(b"not json")
    (tmp_path / "000000000000003-1-000000.done").write_bytes(b'{"node": "n"}')
    (tmp_path / "000000000000004-1-000000.done").write_bytes(b"[]")
    assert [d.hook.occurred_at for d in spool.left_behind()] == [7]
    assert len(list(tmp_path.iterdir())) == 1
