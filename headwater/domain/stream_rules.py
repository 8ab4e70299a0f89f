"""Stages 2–7 · what may become of a stream itself: who may watch it, what is withheld of it, and its end. Pure."""

from __future__ import annotations

from dataclasses import replace

from headwater.domain.broadcast import Declined, StreamControl, StreamEventName, StreamNews, StreamSettings
from headwater.domain.broadcast_events import Decline, DeleteRecording, NameViewers, Withhold
from headwater.domain.ids import BroadcastId

# What is listed in the item of a stream makes each of its writes dearer: it must stay far below DynamoDB's 400 KB.
MODERATORS_LIMIT = 50
VIPS_LIMIT = 100
VIEWERS_LIMIT = 250
WITHHELD_LIMIT = 500
REMOVED_KEPT = 100
STREAM_NEWS_LIMIT = 64
DECLINED_AGAIN_MS = 30_000


def decline(control: StreamControl, event: Decline, now: int) -> StreamControl:
    """Note it for the owner, but not every time: an encoder tries again and again."""
    known = control.declined
    if known is not None and known.detail == event.detail and now - known.at < DECLINED_AGAIN_MS:
        return control
    return replace(control, declined=Declined(event.detail, now))


def configure(control: StreamControl, settings: StreamSettings, now: int) -> StreamControl:
    configured = replace(control, settings=settings)
    if settings.private and not control.settings.private:
        configured = tell_of_stream(configured, StreamEventName.AUDIENCE_CHANGED, now)
    return configured


def name_viewers(control: StreamControl, event: NameViewers, now: int) -> StreamControl:
    named = replace(control, viewers=event.viewers)
    if control.settings.private and not set(control.viewers) <= set(event.viewers):
        named = tell_of_stream(named, StreamEventName.AUDIENCE_CHANGED, now)
    return named


def withhold(control: StreamControl, event: Withhold) -> StreamControl | None:
    """None: so many are withheld that one more would not fit, or it is a preview, which only `start` can take public."""
    if not event.withheld:
        broadcast = control.find(event.broadcast_id)
        return None if broadcast is not None and not broadcast.public else released(control, event.broadcast_id)
    is_one = event.broadcast_id in control.withheld
    return withheld(control, event.broadcast_id) if is_one or has_room(control) else None


def has_room(control: StreamControl) -> bool:
    """Whether the withheld broadcasts are few enough; beyond, a preview that nobody took public leaves no recording."""
    return len(control.withheld) < WITHHELD_LIMIT


def withheld(control: StreamControl, broadcast_id: BroadcastId) -> StreamControl:
    if broadcast_id in control.withheld:
        return control
    return replace(control, withheld=(*control.withheld, broadcast_id))


def released(control: StreamControl, broadcast_id: BroadcastId) -> StreamControl:
    if broadcast_id not in control.withheld:
        return control
    return replace(control, withheld=tuple(each for each in control.withheld if each != broadcast_id))


def delete_recording(control: StreamControl, event: DeleteRecording, now: int) -> StreamControl | None:
    """None: it is still on the air, or what becomes of its recording is not decided yet."""
    broadcast = control.find(event.broadcast_id)
    if broadcast is not None and not broadcast.is_settled:
        return None
    if event.broadcast_id in control.removed:
        return control
    kept = (*control.removed, event.broadcast_id)[-REMOVED_KEPT:]
    removed = replace(released(control, event.broadcast_id), removed=kept)
    return tell_of_stream(removed, StreamEventName.RECORDING_DELETED, now, event.broadcast_id)


def tell_of_stream(
    control: StreamControl, name: StreamEventName, now: int, broadcast_id: BroadcastId | None = None
) -> StreamControl:
    news = (*control.stream_news, StreamNews(name, now, broadcast_id))[-STREAM_NEWS_LIMIT:]
    return replace(control, stream_news=news)
