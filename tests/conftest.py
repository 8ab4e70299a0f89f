"""A run of tests that is told to stop takes down what its fixtures started, as with Ctrl-C."""

from __future__ import annotations

import signal

import pytest


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
