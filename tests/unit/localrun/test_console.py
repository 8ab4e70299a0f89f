"""What a person reads: lasting lines stay, progress of a long step replaces itself on a terminal and is rare in a log."""

from __future__ import annotations

import io

from localrun.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class HungUp(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("the terminal is gone")


def test_a_log_keeps_one_of_many_steps_of_progress() -> None:
    log = io.StringIO()
    console = Console(log)
    console._last_progress = -100.0  # long ago
    for number in range(50):
        console.progress("deploy", f"{number} of 50")
    console.say("deploy", "done")
    assert [line.split("deploy")[1].strip() for line in log.getvalue().splitlines()] == ["0 of 50", "done"]


def test_on_a_terminal_a_lasting_line_takes_the_place_of_progress() -> None:
    terminal = Terminal()
    console = Console(terminal)
    console.progress("deploy", "1 of 2")
    console.progress("deploy", "2 of 2")
    console.say("deploy", "done")
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    assert shown.count("\r\x1b[K") == 2


def test_a_terminal_that_went_away_does_not_stop_the_stack_from_stopping() -> None:
    Console(HungUp()).say("stack", "stopping")
