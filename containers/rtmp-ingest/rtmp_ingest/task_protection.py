"""Stage 1 · asks ECS not to choose this task while somebody publishes to it, when the service scales in or is deployed.

Source: Amazon ECS developer guide, "Amazon ECS task scale-in protection endpoint":
`PUT ${ECS_AGENT_URI}/task-protection/v1/state` with `{"ProtectionEnabled", "ExpiresInMinutes"}`, which the agent signs with
the task's own role. A deployment waits for protected tasks, and CloudFormation for it, three hours at most: so protection
ends by itself after one, and what is chosen before it is asked for again has another hour to drain
(infra/constructs/ingest_nodes.py).
"""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections.abc import Callable

EXPIRES_MINUTES = 60
RENEW_SECONDS = EXPIRES_MINUTES * 60 + 120.0  # long enough unprotected for whoever waits
RETRY_SECONDS = 60.0
ANSWER_SECONDS = 5.0

log = logging.getLogger(__name__)


class TaskProtection:
    """Tells ECS when it becomes true, or no longer is, that somebody publishes; and again, some time after that has ended."""

    def __init__(self, agent_uri: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Without `agent_uri` there is no ECS, and nothing to do."""
        self._agent_uri = agent_uri if agent_uri and agent_uri.startswith("http://") else None
        self._clock = clock
        self._protected = False
        self._next_at = 0.0

    def keep(self, *, publishers: int) -> None:
        """To be called often. What ECS does not hear now it is told a minute later."""
        wanted = publishers > 0
        now = self._clock()
        if self._agent_uri is None or (wanted == self._protected and (not wanted or now < self._next_at)):
            return
        if wanted != self._protected and now < self._next_at and not self._protected:
            return  # it has just refused
        try:
            self._put(wanted)
        except (OSError, ValueError) as error:
            log.warning("ECS does not take the task's protection (%s): %s", wanted, error)
            self._next_at = now + RETRY_SECONDS
            return
        self._protected = wanted
        self._next_at = now + RENEW_SECONDS if wanted else 0.0

    def _put(self, wanted: bool) -> None:
        state: dict[str, object] = {"ProtectionEnabled": wanted}
        if wanted:
            state["ExpiresInMinutes"] = EXPIRES_MINUTES
        request = urllib.request.Request(  # noqa: S310 that it is http:// was looked at
            f"{self._agent_uri}/task-protection/v1/state",
            data=json.dumps(state).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 # nosec B310
            told = json.load(answer)
        if told.get("failure") or told.get("error"):
            raise ValueError(f"{told.get('failure') or told.get('error')}")
