"""Stage 6 · joins the telling of edges to DynamoDB and CloudFront's store, at the first call."""

from __future__ import annotations

import functools

from functions.edge_access.settings import EdgeAccessSettings
from functions.edge_access.tell_edges import TellEdges
from headwater.adapters.edge_store import EdgeStore
from headwater.adapters.stream_controls import StreamControls
from headwater.settings import load_settings


@functools.cache
def tell_edges() -> TellEdges:
    settings = load_settings(EdgeAccessSettings)
    return TellEdges(StreamControls(settings.stream_table), EdgeStore(settings.edge_store_arn))
