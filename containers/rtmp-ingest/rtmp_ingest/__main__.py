"""Stage 1 · `python -m rtmp_ingest`: read the settings, serve, say in one line why it could not."""

from __future__ import annotations

import json
import logging
import sys
import time

from headwater.observability import redact
from headwater.settings import SettingsError, load_settings
from rtmp_ingest.node import run
from rtmp_ingest.settings import Settings

SERVICE = "rtmp-ingest"
_OF_EVERY_RECORD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class _JsonLine(logging.Formatter):
    """The form of the functions' and workers' lines, so that one query finds all: never with a stream key in it."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    @staticmethod
    def converter(timestamp: float | None) -> time.struct_time:
        return time.gmtime(timestamp)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)  # with the traceback, where there is one
        fields = {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
        line = {"level": record.levelname, "message": text, "timestamp": self.formatTime(record), "service": SERVICE}
        return redact(json.dumps(line | fields, default=str, separators=(",", ":"), ensure_ascii=False))


def main() -> int:
    printer = logging.StreamHandler(sys.stdout)
    printer.setFormatter(_JsonLine())
    logging.basicConfig(level=logging.INFO, handlers=[printer])
    try:
        return run(load_settings(Settings))
    except (SettingsError, LookupError, ValueError, OSError) as error:
        logging.getLogger(__name__).error("cannot start: %s", error)  # noqa: TRY400 one line says it
        return 2


if __name__ == "__main__":
    sys.exit(main())
