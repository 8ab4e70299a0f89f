"""Stage 2 · may this key publish? `POST /ingest/hooks/nginx-rtmp` from an ingest node's relay; and, where nodes run on demand,
`POST /ingest/nodes` from the node itself."""

from __future__ import annotations

from typing import Any

from functions.ingest_hooks import wiring
from functions.ingest_hooks.answer_hook import answer_hook
from functions.ingest_hooks.hear_node import hear_node
from functions.ingest_hooks.ingest_event import Verdict
from functions.ingest_hooks.wire import answer, answer_error, caller_of, is_of_a_node, read_request
from headwater.broadcasts import unix_ms
from headwater.errors import HeadwaterError
from headwater.observability import emits_metrics


@emits_metrics
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    try:
        request = read_request(event)
        secrets = wiring.SecretsManagerSecrets()
        if is_of_a_node(event):
            hear_node(request, caller_of(event), wiring.fleets(), secrets, unix_ms)
            return answer(Verdict.GO_ON)
        return answer(
            answer_hook(request, wiring.broadcasts(), wiring.owner_slots(), wiring.limits(), secrets, unix_ms)
        )
    except HeadwaterError as error:
        return answer_error(error)
