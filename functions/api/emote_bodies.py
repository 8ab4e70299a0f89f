"""Stage 7 · what requests and answers about emotes carry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from functions.api.people import AvatarUploadOut
from functions.api.request_bodies import Body
from headwater.domain.emotes import BUILT_IN_PREFIX, NAME_PATTERN, SIZES, Emote, EmoteState, is_emote_name
from headwater.domain.ids import StreamId
from headwater.media import object_keys


def _free_name(name: str) -> str:
    if not is_emote_name(name):
        raise ValueError(
            f"A name has 3 to 24 letters and digits, without accents, and does not begin with {BUILT_IN_PREFIX}."
        )
    return name


class NewEmote(Body):
    name: Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME_PATTERN}$"}), AfterValidator(_free_name)]
    content_type: Literal["image/jpeg", "image/png", "image/webp", "image/gif"]


class EmoteUploadOut(AvatarUploadOut):
    """As for an avatar, and what the emote is going to be."""

    id: str
    name: str


class EmoteOut(BaseModel):
    id: str
    name: str
    built_in: bool
    status: Literal["pending", "ready", "failed"]
    images: dict[str, str] | None = Field(description="Addresses by the size in pixels; of one that is ready.")
    problem: str | None
    created_at: datetime | None


def own_emote_out(cdn_url: str, stream_id: StreamId, emote: Emote) -> EmoteOut:
    images = None
    if emote.state is EmoteState.READY:
        base = cdn_url.rstrip("/")
        images = {str(size): f"{base}/{object_keys.emote(stream_id, emote.emote_id, size)}" for size in SIZES}
    return EmoteOut(
        id=emote.emote_id,
        name=emote.name,
        built_in=False,
        status=emote.state.value,
        images=images,
        problem=emote.problem,
        created_at=datetime.fromtimestamp(emote.created_at_ms / 1000, UTC),
    )


def built_in_emote_out(web_url: str, name: str) -> EmoteOut:
    """Drawn, so that one file does for every size."""
    images = {str(size): f"{web_url.rstrip('/')}/emotes/{name}.svg" for size in SIZES}
    return EmoteOut(id=name, name=name, built_in=True, status="ready", images=images, problem=None, created_at=None)
