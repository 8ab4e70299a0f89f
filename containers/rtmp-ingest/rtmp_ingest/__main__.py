"""Stage 1 · `python -m rtmp_ingest`: read the settings, serve, say in one line why it could not."""

from __future__ import annotations

import logging
import sys
import time

from headwater.observability import redact
from headwater.settings import SettingsError, load_settings
from rtmp_ingest.node import run
from rtmp_ingest.settings import Settings


class _OneLine(logging.Formatter):
    """`2026-11-22T10:42:36.123Z level message`, never with a stream key in it."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    @staticmethod
    def converter(timestamp: float | None) -> time.struct_time:
        return time.gmtime(timestamp)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def main() -> int:
    printer = logging.StreamHandler(sys.stdout)
    printer.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[printer])
    try:
        return run(load_settings(Settings))
    except (SettingsError, LookupError, ValueError, OSError) as error:
        logging.getLogger(__name__).error("cannot start: %s", error)  # noqa: TRY400 one line says it
        return 2


if __name__ == "__main__":
    sys.exit(main())
