"""What a function imports is kept out of the collector's way, and nothing else is."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from headwater.start_up import imported_for_good

STARTED = """
import gc
import functions.api.handler
made = gc.get_freeze_count()
assert gc.isenabled()
assert made > 50_000, made
assert len(gc.get_objects()) < made / 10, "it looks at little more than what was made since"
"""


class Loop:
    def __init__(self) -> None:
        self.itself = self


def test_the_collector_waits_while_the_api_is_imported_and_has_nothing_to_go_through_then() -> None:
    subprocess.run([sys.executable, "-c", STARTED], check=True, timeout=120)


def test_it_works_again_whatever_becomes_of_the_imports() -> None:
    with pytest.raises(ImportError), imported_for_good():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
    lost = weakref.ref(Loop())
    gc.collect()
    assert lost() is None
