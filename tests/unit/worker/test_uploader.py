"""Names may still be written to by a worker that lost its lease: whoever holds it has the last word."""

from __future__ import annotations

import threading
from typing import Any

from ffmpeg_worker.uploader import Upload, Uploader
from headwater.errors import DependencyUnavailable
from tests.fakes_worker import MemoryStore, Tenure

SEGMENT = "s/b5/360p/1-0.m4s"


def upload(body: bytes, *, replaces: bool = False) -> Upload:
    return Upload(SEGMENT, body, "video/mp4", "immutable", replaces=replaces)


def is_stored(store: MemoryStore, what: Upload, tenure: Tenure | None = None) -> bool:
    uploader = Uploader(store, tenure or Tenure())
    assert uploader.wait([uploader.start(what)], 20)
    uploader.close()
    return what.stored


def test_what_a_lost_worker_still_has_on_its_way_replaces_nothing() -> None:
    store, tenure = MemoryStore(), Tenure()
    on_its_way, arrives = threading.Event(), threading.Event()
    write = store.put_if_match

    def slow_line(key: str, body: bytes, *rest: Any, **more: Any) -> str:
        if body == b"of the lost worker":
            on_its_way.set()
            assert arrives.wait(20)
        return write(key, body, *rest, **more)

    store.put_if_match = slow_line  # type: ignore[method-assign]
    lost = Uploader(store, tenure)
    late = lost.start(upload(b"of the lost worker"))
    assert on_its_way.wait(20)
    tenure.may_write = False
    assert is_stored(store, upload(b"of its successor"))
    arrives.set()
    assert lost.wait([late], 20)
    assert not late.stored
    assert store.objects[SEGMENT].body == b"of its successor"
    lost.close()


def test_what_a_lost_worker_left_under_a_name_is_replaced_by_the_holder_of_the_lease() -> None:
    store = MemoryStore()
    assert is_stored(store, upload(b"of the lost worker"))
    assert is_stored(store, upload(b"of its successor"))
    assert store.objects[SEGMENT].body == b"of its successor"


def test_a_write_whose_answer_was_lost_is_not_written_twice() -> None:
    store = MemoryStore()
    write = store.put_if_match

    def answer_is_lost(*what: Any, **more: Any) -> str:
        store.put_if_match = write  # type: ignore[method-assign]
        write(*what, **more)
        raise DependencyUnavailable

    store.put_if_match = answer_is_lost  # type: ignore[method-assign]
    assert is_stored(store, upload(b"media"))
    assert store.log == [SEGMENT]


def test_the_poster_is_replaced_by_whoever_has_a_newer_picture() -> None:
    store = MemoryStore()
    assert is_stored(store, upload(b"older", replaces=True))
    assert is_stored(store, upload(b"newer", replaces=True))
    assert store.objects[SEGMENT].body == b"newer"
