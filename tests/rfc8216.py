"""A checker of HLS playlists against RFC 8216 (and rfc8216bis where the RFC is silent), independent of our writer.

Every function answers with the list of rules that were broken, empty when all is well. Section numbers are RFC 8216's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_ONCE_MEDIA = {
    "EXT-X-VERSION",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-ENDLIST",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-START",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-PART-INF",
}
_SEGMENT_TAGS = {
    "EXTINF",
    "EXT-X-DISCONTINUITY",
    "EXT-X-MAP",
    "EXT-X-PROGRAM-DATE-TIME",
    "EXT-X-GAP",
    "EXT-X-BYTERANGE",
    "EXT-X-KEY",
    "EXT-X-BITRATE",
}
_MULTIVARIANT_TAGS = {
    "EXT-X-STREAM-INF",
    "EXT-X-MEDIA",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
}
_BOTH = {"EXTM3U", "EXT-X-VERSION", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START", "EXT-X-DEFINE"}

_ATTRIBUTE = re.compile(
    r'([A-Z0-9-]+)=("[^"\r\n]*"|[0-9]+x[0-9]+|0[xX][0-9A-F]+|-?[0-9]+(?:\.[0-9]+)?|[^",\s]+)(?:,|$)'
)
_EXTINF = re.compile(r"([0-9]+(?:\.[0-9]+)?),(.*)")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
_CODEC = re.compile(
    r"(avc1\.[0-9a-f]{6}|mp4a\.40\.[0-9]+|mp4a\.[0-9a-f]{2}|hvc1\..+|ec-3|ac-3|opus|Opus)", re.IGNORECASE
)


@dataclass
class MediaSegment:
    uri: str
    duration: float
    duration_text: str
    sequence: int
    discontinuity: int
    map_uri: str | None
    gap: bool
    starts_discontinuity: bool
    date: datetime | None
    dated: bool


@dataclass
class MediaPlaylist:
    version: int = 1
    target: int | None = None
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    type: str | None = None
    ended: bool = False
    segments: list[MediaSegment] = field(default_factory=list)


def check_media_playlist(text: str) -> list[str]:
    """One version of a media playlist by itself."""
    return _read_media_playlist(text)[1]


def check_multivariant(text: str) -> list[str]:
    """A multivariant (master) playlist (4.3.4)."""
    problems = _check_lines(text)
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    variants: list[dict[str, str]] = []
    pending: dict[str, str] | None = None
    seen: set[str] = set()
    for line in text.splitlines():
        name, value = _tag(line)
        if pending is not None and (line.startswith("#") or not line):
            problems.append("4.3.4.2: EXT-X-STREAM-INF is not followed by a URI line")
            pending = None
        if name is None:
            if not line or line.startswith("#"):
                continue
            if pending is None:
                problems.append(f"4.3.4.2: URI without EXT-X-STREAM-INF: {line}")
            pending = None
            continue
        if name in _ONCE_MEDIA and name in seen:
            problems.append(f"4.3: {name} more than once")
        seen.add(name)
        if name not in _BOTH | _MULTIVARIANT_TAGS:
            problems.append(f"4.1: {name} has no place in a multivariant playlist")
        if name == "EXT-X-STREAM-INF":
            pending = _attributes(value, problems)
            variants.append(pending)
        elif name == "EXT-X-MEDIA":
            media = _attributes(value, problems)
            problems += [
                f"4.3.4.1: EXT-X-MEDIA without {key}" for key in ("TYPE", "GROUP-ID", "NAME") if key not in media
            ]
            groups.setdefault((media.get("TYPE", ""), media.get("GROUP-ID", "")), []).append(media)
    if pending is not None:
        problems.append("4.3.4.2: EXT-X-STREAM-INF is not followed by a URI line")
    if not variants:
        problems.append("4.3.4.2: no variant stream")
    for variant in variants:
        problems += _check_variant(variant, groups)
    for group in groups.values():
        problems += _check_group(group)
    return problems


def check_succession(before: str, after: str) -> list[str]:
    """Two versions of the same live media playlist, the later one as `after` (6.2.1, 6.2.2).

    A finished broadcast's playlist may grow at the front, once, into the complete recording that begins at sequence 0: what
    a player already has keeps its numbers.
    """
    old, problems_before = _read_media_playlist(before)
    new, problems_after = _read_media_playlist(after)
    problems = problems_before + problems_after
    if problems:
        return problems
    if old.ended and before != after:
        return ["6.2.1: changed after EXT-X-ENDLIST"]
    if old.target != new.target:
        problems.append("6.2.1: EXT-X-TARGETDURATION changed")
    completed = new.ended and new.type == "VOD" and new.media_sequence == 0
    if not completed:
        if new.media_sequence < old.media_sequence:
            problems.append("6.2.2: EXT-X-MEDIA-SEQUENCE fell")
        if new.discontinuity_sequence < old.discontinuity_sequence:
            problems.append("6.2.2: EXT-X-DISCONTINUITY-SEQUENCE fell")
        if old.type != new.type:
            problems.append("6.2.1: EXT-X-PLAYLIST-TYPE changed")
    if old.segments and (not new.segments or new.segments[-1].sequence < old.segments[-1].sequence):
        problems.append("6.2.1: a segment was removed from the end")
    known = {segment.sequence: segment for segment in old.segments}
    for segment in new.segments:
        if (same := known.get(segment.sequence)) is not None:
            problems += _check_same(same, segment)
    removed = old.segments and new.media_sequence > old.segments[0].sequence
    if removed and not new.ended and sum(s.duration for s in new.segments) < 3 * (new.target or 0):
        problems.append("6.2.2: removed a segment although less than three target durations remain")
    return problems


def _check_same(old: MediaSegment, new: MediaSegment) -> list[str]:
    where = f"segment {new.sequence}"
    problems = []
    for name in ("uri", "duration_text", "gap") if new.gap else ("uri", "duration_text", "map_uri", "gap"):
        if getattr(old, name) != getattr(new, name):
            problems.append(f"6.2.1: {where} changed its {name}: {getattr(old, name)} → {getattr(new, name)}")
    if old.discontinuity != new.discontinuity:
        problems.append(f"6.2.2: {where} changed its discontinuity sequence: {old.discontinuity} → {new.discontinuity}")
    if old.date and new.date and abs(old.date - new.date) > timedelta(milliseconds=50):
        problems.append(f"6.2.1: {where} changed its date: {old.date} → {new.date}")
    return problems


def _read_media_playlist(text: str) -> tuple[MediaPlaylist, list[str]]:
    problems = _check_lines(text)
    playlist = MediaPlaylist()
    seen: set[str] = set()
    pending: dict[str, str] = {}
    map_uri: str | None = None
    date: datetime | None = None
    discontinuities = 0
    for line in text.splitlines():
        name, value = _tag(line)
        if name is None:
            if not line or line.startswith("#"):
                continue
            if playlist.ended:
                problems.append("4.3.3.4: a segment after EXT-X-ENDLIST")
            match = _EXTINF.fullmatch(pending.get("EXTINF", ""))
            if match is None:
                problems.append(f"4.3.2.1: no EXTINF for {line}")
            duration_text = match.group(1) if match else "0"
            if "EXT-X-PROGRAM-DATE-TIME" in pending:
                date = _date(pending["EXT-X-PROGRAM-DATE-TIME"], problems)
            elif "EXT-X-DISCONTINUITY" in pending:
                date = None
            starts = "EXT-X-DISCONTINUITY" in pending
            if "EXT-X-MAP" in pending:
                attributes = _attributes(pending["EXT-X-MAP"], problems)
                if "URI" not in attributes:
                    problems.append("4.3.2.5: EXT-X-MAP without URI")
                new_map = attributes.get("URI")
                if playlist.segments and map_uri not in (None, new_map) and not starts:
                    problems.append("4.3.2.3: EXT-X-MAP changes without EXT-X-DISCONTINUITY")
                map_uri = new_map
            gap = "EXT-X-GAP" in pending
            if map_uri is None and not gap and line.endswith((".m4s", ".mp4")):
                problems.append(f"3.3: no EXT-X-MAP applies to {line}")
            playlist.segments.append(
                MediaSegment(
                    uri=line,
                    duration=float(duration_text),
                    duration_text=duration_text,
                    sequence=playlist.media_sequence + len(playlist.segments),
                    discontinuity=playlist.discontinuity_sequence + discontinuities,
                    map_uri=map_uri,
                    gap=gap,
                    starts_discontinuity=starts,
                    date=date,
                    dated="EXT-X-PROGRAM-DATE-TIME" in pending,
                )
            )
            if date is not None:
                date += timedelta(seconds=float(duration_text))
            pending = {}
            continue
        if name in _ONCE_MEDIA and name in seen:
            problems.append(f"4.3: {name} more than once")
        seen.add(name)
        if name in _MULTIVARIANT_TAGS:
            problems.append(f"4.1: {name} has no place in a media playlist")
        elif name in _SEGMENT_TAGS:
            if name in pending:
                problems.append(f"4.3.2: {name} twice for one segment")
            pending[name] = value
            if name == "EXT-X-DISCONTINUITY":
                discontinuities += 1
        elif name not in _BOTH | _ONCE_MEDIA | {"EXT-X-DATERANGE", "EXT-X-PART", "EXT-X-PRELOAD-HINT"}:
            problems.append(f"4.1: unknown tag {name}")
        else:
            _read_header(name, value, playlist, problems, started=bool(playlist.segments or pending))
            if name == "EXT-X-DISCONTINUITY-SEQUENCE" and discontinuities:
                problems.append("4.3.3.3: EXT-X-DISCONTINUITY-SEQUENCE after EXT-X-DISCONTINUITY")
    if pending:
        problems.append(f"4.3.2: {', '.join(pending)} without a segment")
    return playlist, problems + _check_whole(playlist, seen)


def _read_header(name: str, value: str, playlist: MediaPlaylist, problems: list[str], *, started: bool) -> None:
    if name in {"EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE"} and started:
        problems.append(f"4.3.3: {name} after the first segment")
    if name in {"EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE"}:
        if not re.fullmatch(r"[0-9]{1,20}", value):
            problems.append(f"4.2: {name} is not a decimal integer: {value!r}")
            return
        number = int(value)
        match name:
            case "EXT-X-VERSION":
                playlist.version = number
            case "EXT-X-TARGETDURATION":
                playlist.target = number
            case "EXT-X-MEDIA-SEQUENCE":
                playlist.media_sequence = number
            case _:
                playlist.discontinuity_sequence = number
    elif name == "EXT-X-PLAYLIST-TYPE":
        playlist.type = value
        if value not in {"VOD", "EVENT"}:
            problems.append(f"4.3.3.5: EXT-X-PLAYLIST-TYPE:{value}")
    elif name == "EXT-X-ENDLIST":
        playlist.ended = True


def _check_whole(playlist: MediaPlaylist, seen: set[str]) -> list[str]:
    problems = []
    segments = playlist.segments
    if playlist.target is None:
        problems.append("4.3.3.1: no EXT-X-TARGETDURATION")
    for segment in segments:
        if playlist.target is not None and int(segment.duration + 0.5) > playlist.target:
            problems.append(f"4.3.3.1: {segment.uri} lasts {segment.duration_text} s, target is {playlist.target}")
        if segment.duration <= 0:
            problems.append(f"4.3.2.1: {segment.uri} lasts {segment.duration_text} s")
    needed = 1
    if any("." in segment.duration_text for segment in segments):
        needed = 3
    if "EXT-X-MAP" in seen and "EXT-X-I-FRAMES-ONLY" not in seen:
        needed = 6
    if "EXT-X-GAP" in seen:
        needed = 8
    if playlist.version < needed:
        problems.append(f"7: EXT-X-VERSION:{playlist.version}, but its tags need {needed}")
    if playlist.type == "VOD" and not playlist.ended:
        problems.append("4.3.3.5: a VOD playlist without EXT-X-ENDLIST")
    if "EXT-X-PROGRAM-DATE-TIME" in seen:
        for index, segment in enumerate(segments):
            if not segment.dated and (index == 0 or segment.starts_discontinuity):
                problems.append(f"6.2.1: {segment.uri} begins a time line without EXT-X-PROGRAM-DATE-TIME")
    elif segments:
        problems.append("our contract: EXT-X-PROGRAM-DATE-TIME is on every playlist")
    return problems


def _check_lines(text: str) -> list[str]:
    problems = []
    if not text.startswith("#EXTM3U\n"):
        problems.append("4.3.1.1: the first line is not #EXTM3U")
    if not text.endswith("\n"):
        problems.append("4.1: the last line is not ended")
    if any(ord(character) < 32 and character != "\n" for character in text) or "\ufeff" in text:
        problems.append("4.1: control characters or a byte order mark")
    problems += [f"4.1: white space around {line!r}" for line in text.split("\n") if line != line.strip()]
    return problems


def _check_variant(variant: dict[str, str], groups: dict[tuple[str, str], list[dict[str, str]]]) -> list[str]:
    problems = []
    bandwidth = variant.get("BANDWIDTH", "")
    if not bandwidth.isdigit() or int(bandwidth) == 0:
        problems.append("4.3.4.2: BANDWIDTH is missing or no positive integer")
    elif int(variant.get("AVERAGE-BANDWIDTH", "0")) > int(bandwidth):
        problems.append("4.3.4.2: AVERAGE-BANDWIDTH is above BANDWIDTH")
    codecs = variant.get("CODECS", "").split(",")
    problems += [f"4.3.4.2: CODECS names {codec!r}" for codec in codecs if not _CODEC.fullmatch(codec)]
    if "RESOLUTION" in variant and not re.fullmatch(r"[1-9][0-9]*x[1-9][0-9]*", variant["RESOLUTION"]):
        problems.append("4.3.4.2: RESOLUTION is no resolution")
    if "FRAME-RATE" in variant and not re.fullmatch(r"[0-9]+\.[0-9]{3}", variant["FRAME-RATE"]):
        problems.append("4.3.4.2: FRAME-RATE has not three decimals")
    if ("RESOLUTION" in variant) != any(codec.startswith(("avc", "hvc")) for codec in codecs):
        problems.append("4.3.4.2: RESOLUTION and a video codec go together")
    for kind in ("AUDIO", "VIDEO", "SUBTITLES"):
        if kind in variant:
            if (kind, variant[kind]) not in groups:
                problems.append(f"4.3.4.2: no EXT-X-MEDIA of group {variant[kind]!r}")
            if kind == "AUDIO" and not any(codec.startswith("mp4a") for codec in codecs):
                problems.append("4.3.4.2: CODECS does not hold the audio group's codec")
    return problems


def _check_group(group: list[dict[str, str]]) -> list[str]:
    problems = []
    names = [media.get("NAME") for media in group]
    if len(set(names)) != len(names):
        problems.append("4.3.4.1.1: two members of a group have the same NAME")
    if sum(media.get("DEFAULT") == "YES" for media in group) > 1:
        problems.append("4.3.4.1.1: two members of a group are the default")
    if any(media.get("DEFAULT") == "YES" and media.get("AUTOSELECT", "YES") != "YES" for media in group):
        problems.append("4.3.4.1: DEFAULT=YES needs AUTOSELECT=YES")
    return problems


def _tag(line: str) -> tuple[str | None, str]:
    if not line.startswith("#EXT"):
        return None, ""
    name, _, value = line[1:].partition(":")
    return name, value


def _attributes(text: str, problems: list[str]) -> dict[str, str]:
    """An attribute list (4.2), with the quotes taken off."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            problems.append(f"4.2: no attribute list: {text!r}")
            break
        name, value = match.group(1), match.group(2)
        if name in found:
            problems.append(f"4.2: {name} twice in {text!r}")
        quoted = {"URI", "CODECS", "GROUP-ID", "NAME", "AUDIO", "CHANNELS", "LANGUAGE", "VIDEO", "SUBTITLES"}
        if value.startswith('"') != (name in quoted):
            problems.append(f"4.2: {name} is {'not ' if name in quoted else ''}a quoted string")
        found[name] = value.strip('"')
        position = match.end()
    return found


def _date(text: str, problems: list[str]) -> datetime | None:
    if not _DATE.fullmatch(text):
        problems.append(f"4.3.2.6: EXT-X-PROGRAM-DATE-TIME:{text}")
        return None
    return datetime.fromisoformat(text)
