"""Stage 7 · routes of a stream's emotes. A picture goes to S3, from the browser, and comes back re-encoded."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from functions.api.dependencies import CurrentCaller, MaybeCaller, ServicesDep, StreamIdParam, Unit
from functions.api.emote_bodies import EmoteOut, EmoteUploadOut, NewEmote, built_in_emote_out, own_emote_out
from functions.api.inline_routes import InlineRoute
from functions.api.representations import Page
from functions.api.use_cases.emotes import ask_for_emote, emotes_of, remove_emote
from headwater.domain.avatars import CONTENT_TYPES
from headwater.domain.emotes import BUILT_IN, MAX_BYTES, UPLOAD_SECONDS, is_emote_name
from headwater.errors import NotFound

router = APIRouter(route_class=InlineRoute, prefix="/streams/{stream_id}/emotes", tags=["chat"])

UPLOADS_PER_MINUTE = 20


async def _emote_name(name: Annotated[str, Path()]) -> str:
    if not is_emote_name(name):
        raise NotFound
    return name


EmoteNameParam = Annotated[str, Depends(_emote_name)]


@router.get("")
def emotes(stream_id: StreamIdParam, caller: MaybeCaller, services: ServicesDep, unit: Unit) -> Page[EmoteOut]:
    """All that can be said in the stream's chat: its own emotes by name, then those that every stream has.

    Its owner and moderators also see what was asked for: `problem` says in words why a picture `failed`.
    """
    viewer, roles = (None, ()) if caller is None else (caller.identity.user_id, caller.standing.roles)
    own = emotes_of(unit, services.emotes, stream_id, viewer, roles)
    settings = services.settings
    return Page(
        items=[
            *(own_emote_out(settings.cdn_url, stream_id, each) for each in own),
            *(built_in_emote_out(settings.web_url, name) for name in BUILT_IN),
        ],
        next_cursor=None,
    )


@router.post("", status_code=201)
def add_emote(
    body: NewEmote, stream_id: StreamIdParam, caller: CurrentCaller, services: ServicesDep, unit: Unit
) -> EmoteUploadOut:
    """A form to send an emote's picture with, as for an avatar. `GET` says what became of it; ten seconds later it can be said.

    For the stream's owner and moderators, and the site's. Of an animation the first frame is kept.
    """
    user_id = caller.identity.user_id
    services.limits.spend("emote", user_id, UPLOADS_PER_MINUTE)
    emote, form = ask_for_emote(
        unit, services.emotes, services.upload_forms, stream_id, user_id, caller.standing.roles, body.name, body.content_type
    )  # fmt: skip
    return EmoteUploadOut(
        id=emote.emote_id,
        name=emote.name,
        url=form.url,
        fields=form.fields,
        expires_in=UPLOAD_SECONDS,
        max_bytes=MAX_BYTES,
        content_types=list(CONTENT_TYPES),
    )


@router.delete("/{name}", status_code=204)
def take_emote_away(
    stream_id: StreamIdParam, name: EmoteNameParam, caller: CurrentCaller, services: ServicesDep, unit: Unit
) -> None:
    """Nobody can say it any more. Its pictures are deleted; caches may keep them for up to a day.

    For the stream's owner and moderators, and the site's.
    """
    user_id, roles = caller.identity.user_id, caller.standing.roles
    remove_emote(unit, services.emotes, services.media_store, stream_id, user_id, roles, name)
