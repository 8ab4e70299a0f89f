"""Stage 7 · routes of streams and of going live."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from functions.api.dependencies import (
    PAGE_LIMIT,
    CurrentUser,
    Cursor,
    Limit,
    MaybeUser,
    ServicesDep,
    StreamIdParam,
    Unit,
    user_id_of,
)
from functions.api.inline_routes import InlineRoute
from functions.api.representations import AnyStreamOut, IngestOut, OwnStreamOut, Page, ingest_out
from functions.api.stream_bodies import NewStream, StreamPatch, profile_fields, tag_form
from functions.api.stream_cursors import outdated_cursor, position_after, stream_cursor
from functions.api.use_cases.going_live import (
    Ingest,
    ask_for_ingest,
    rotate_key,
    show_ingest,
    start_broadcast,
    stop_broadcast,
)
from functions.api.use_cases.streams import change_stream, create_stream, delete_stream, look_at_stream
from functions.api.wiring import Services
from headwater.adapters.stream_lists import StreamFilter, StreamOrder
from headwater.broadcasts import unix_ms
from headwater.domain.ids import UserId
from headwater.domain.stream_search import understand
from headwater.domain.streams import Stream

router = APIRouter(route_class=InlineRoute, prefix="/streams", tags=["streams"])

Words = Annotated[str | None, Query(min_length=1, max_length=140)]


def _shown(stream: Stream, viewer: UserId | None, services: Services) -> AnyStreamOut:
    counts = services.presence.viewers([stream.stream_id], unix_ms())
    return services.representations.stream(stream, viewer, counts.get(stream.stream_id, 0))


@router.post("", status_code=201, response_model=OwnStreamOut)
def create(body: NewStream, user: CurrentUser, services: ServicesDep, unit: Unit) -> AnyStreamOut:
    """Make a stream. Its key is at `/ingest`."""
    stream = create_stream(
        unit.streams,
        unit.accounts,
        services.hot_state,
        user.user_id,
        body.profile(),
        services.settings.streams_per_user,
    )
    return services.representations.stream(stream, user.user_id, 0)


@router.get("", response_model=Page[AnyStreamOut])
def list_streams(
    user: MaybeUser,
    services: ServicesDep,
    unit: Unit,
    live: bool | None = None,
    category: Words = None,
    tag: Words = None,
    q: Words = None,
    owner: Words = None,
    sort: Annotated[StreamOrder | None, Query(description="`relevance` with `q`, else `newest`.")] = None,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Public streams. With `owner`, a username, also the caller's own of every privacy.

    `q` searches titles, owners, categories, tags and descriptions: `"a phrase"`, `-without`, `this or that`; a word may be
    misspelt. `sort` by `viewers` or `started` begins with what is live. A page can hold fewer than `limit` and still not be
    the last: only `next_cursor` says so. While streams change, a list neither skips nor repeats one.
    """
    viewer = user_id_of(user)
    search = None if q is None else understand(q)
    order = sort or (StreamOrder.NEWEST if search is None else StreamOrder.RELEVANCE)
    after = position_after(cursor, order)
    if after is not None and after.slot is not None and not unit.stream_lists.ranking_is_kept(after.slot):
        raise outdated_cursor()
    wanted = StreamFilter(live=live, category=category, tag=tag and tag_form(tag), search=search, owner=owner)
    page = unit.stream_lists.page(wanted, order, viewer, after, limit)
    counts = services.presence.viewers([stream.stream_id for stream in page.streams if stream.on_air], unix_ms())
    shown = Page[AnyStreamOut](
        items=[services.representations.stream(item, viewer, counts.get(item.stream_id, 0)) for item in page.streams],
        next_cursor=None if page.next is None else stream_cursor(page.next),
    )
    # What was just made of these very models need not be held against them again.
    return Response(shown.model_dump_json(), media_type="application/json")


@router.get("/{stream_id}")
def stream(stream_id: StreamIdParam, user: MaybeUser, services: ServicesDep, unit: Unit) -> AnyStreamOut:
    """One stream, with what is on the air at this moment."""
    viewer = user_id_of(user)
    return _shown(look_at_stream(unit.streams, services.hot_state, stream_id, viewer), viewer, services)


@router.patch("/{stream_id}", response_model=OwnStreamOut)
def change(
    body: StreamPatch, stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit
) -> AnyStreamOut:
    """Change the fields that are sent. Settings of the ingest apply to what is on the air at once."""
    fields = profile_fields(body)
    return _shown(
        change_stream(unit.streams, services.hot_state, stream_id, user.user_id, fields), user.user_id, services
    )


@router.delete("/{stream_id}", status_code=204)
def delete(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Delete the stream with its broadcasts and its chat. What is on the air ends."""
    delete_stream(unit.streams, services.hot_state, stream_id, user.user_id)


def _ingest_of(services: Services) -> Ingest:
    return Ingest(services.hot_state, services.ingest_doors, services.stream_key_secret)


@router.get("/{stream_id}/ingest")
def ingest(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> IngestOut:
    """Where and with which key to publish (`rtmp_url` + `/` + `stream_key`), and how the encoder is doing."""
    return ingest_out(show_ingest(unit.streams, _ingest_of(services), stream_id, user.user_id))


@router.post("/{stream_id}/ingest/open", status_code=202)
def open_ingest(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> IngestOut:
    """Ask for somewhere to publish to. Where ingest runs on demand, it is `starting` for up to a minute, and then `open`, for
    a quarter of an hour and for as long as the stream is on the air. Elsewhere it always is."""
    return ingest_out(ask_for_ingest(unit.streams, _ingest_of(services), stream_id, user.user_id))


@router.post("/{stream_id}/ingest/rotate")
def rotate(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> IngestOut:
    """A new key. An encoder that publishes with the old one is dropped."""
    return ingest_out(rotate_key(unit.streams, _ingest_of(services), stream_id, user.user_id))


@router.post("/{stream_id}/start", response_model=OwnStreamOut)
def start(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> AnyStreamOut:
    """Take the preview of a stream with `auto_start: false` public."""
    return _shown(start_broadcast(unit.streams, services.hot_state, stream_id, user.user_id), user.user_id, services)


@router.post("/{stream_id}/stop", response_model=OwnStreamOut)
def stop(stream_id: StreamIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> AnyStreamOut:
    """End the broadcast and drop the encoder. The same key may publish again afterwards."""
    return _shown(stop_broadcast(unit.streams, services.hot_state, stream_id, user.user_id), user.user_id, services)
