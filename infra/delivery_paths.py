"""Stage 6 · what is delivered under which path: one table, for CloudFront's behaviours and for the edge nginx of one machine.

The first row that fits counts. In CloudFront's patterns `?` is one character, `*` any number of them. No row has a cookie, a
query string or a header in its cache key: a signature opens an object and does not make another one of it. Errors are kept
by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headwater.domain.media_access import Audience

AN_ID = "?" * 22
YEAR = 31_536_000


@dataclass(frozen=True, kw_only=True)
class CacheTimes:
    """Seconds. What the object's own `Cache-Control` or `Expires` says counts between `least` and `most`."""

    least: int
    most: int


AS_THE_OBJECT_SAYS = CacheTimes(least=0, most=YEAR)
# Pages tell browsers to ask every time; edges ask the bucket once a minute, whatever a deployment has changed.
FOR_A_MINUTE = CacheTimes(least=60, most=60)


@dataclass(frozen=True, kw_only=True)
class PathBehaviour:
    """`audience` is whom the path says that it is for: everybody but EVERYONE takes a signature for all that it fits.
    `by_state`: the stream's hot state decides, too, before the cache is looked at. `examples` are paths that it fits, with
    the object that each leads to. Text is compressed in every row; video is not text."""

    name: str
    pattern: str
    origin: Literal["media", "pages"]
    audience: Audience = Audience.EVERYONE
    by_state: bool = False
    cached: CacheTimes = AS_THE_OBJECT_SAYS
    examples: tuple[tuple[str, str], ...]

    @property
    def signed(self) -> bool:
        return self.audience is not Audience.EVERYONE


STREAM, OTHER = "0123456789abcdefghjkmn", "1123456789abcdefghjkmn"
_SEGMENT, _PLAYLIST = f"/{STREAM}/{OTHER}/720p/1-0.m4s", f"/{STREAM}/live.m3u8"

PATHS = (
    PathBehaviour(
        name="ForViewers",
        pattern="/private/*",
        origin="media",
        audience=Audience.VIEWERS,
        by_state=True,
        examples=((f"/private{_PLAYLIST}", _PLAYLIST), (f"/private{_SEGMENT}", _SEGMENT)),
    ),
    PathBehaviour(
        name="ForOwners",
        pattern="/owner/*",
        origin="media",
        audience=Audience.OWNER,
        by_state=True,
        examples=((f"/owner{_PLAYLIST}", _PLAYLIST), (f"/owner{_SEGMENT}", _SEGMENT)),
    ),
    PathBehaviour(
        name="Avatars",
        pattern=f"/avatars/{AN_ID}/*",
        origin="media",
        examples=((f"/avatars/{STREAM}/{OTHER}/64.webp", f"/avatars/{STREAM}/{OTHER}/64.webp"),),
    ),
    PathBehaviour(
        name="Emotes",
        pattern=f"/emotes/{AN_ID}/*",
        origin="media",
        examples=((f"/emotes/{STREAM}/{OTHER}/28.webp", f"/emotes/{STREAM}/{OTHER}/28.webp"),),
    ),
    PathBehaviour(
        name="ForEverybody",
        pattern=f"/{AN_ID}/*",
        origin="media",
        by_state=True,
        examples=((_PLAYLIST, _PLAYLIST), (_SEGMENT, _SEGMENT)),
    ),
    PathBehaviour(
        name="Pages",
        pattern="*",
        origin="pages",
        cached=FOR_A_MINUTE,
        examples=(
            ("/", "/index.html"),
            (f"/watch/{STREAM}", "/watch.html"),
            ("/style.css", "/style.css"),
            ("/emotes/hwCool.svg", "/emotes/hwCool.svg"),
            ("/vendor/hls.js/dist/hls.min.mjs", "/vendor/hls.js/dist/hls.min.mjs"),
            ("/config.json", "/config.json"),
        ),
    ),
)
