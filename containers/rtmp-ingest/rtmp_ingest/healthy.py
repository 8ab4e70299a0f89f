"""Stage 1 · `python -m rtmp_ingest.healthy`: 0 while nginx and the relay behind it answer; for a container's health check.

A node that drains is healthy: it still has publishers, and is on its way out by itself.
"""

from __future__ import annotations

import http.client
import os
import sys

ANSWER_SECONDS = 3.0


def main() -> int:
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("LOOPBACK_PORT", "14935")), timeout=ANSWER_SECONDS
    )
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return 0 if answer.status == 200 or b"draining" in answer.read(1000) else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
