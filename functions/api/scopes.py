"""Stage 7 · what a personal access token needs for each call. A call that is not here takes a signed-in session.

By the name of the route's function. What is left out is left out on purpose: whoever has a token must not be able to keep
the account (passwords, sessions, other tokens, deletion), nor to administer the site.
"""

from __future__ import annotations

from collections.abc import Mapping

from headwater.domain.personal_tokens import Scope

SCOPE_OF: Mapping[str, Scope] = {
    "me": Scope.READ_ACCOUNT,
    "following": Scope.READ_ACCOUNT,
    "is_following": Scope.READ_ACCOUNT,
    "avatar": Scope.READ_ACCOUNT,
    "change_me": Scope.WRITE_ACCOUNT,
    "follow_user": Scope.WRITE_ACCOUNT,
    "unfollow_user": Scope.WRITE_ACCOUNT,
    "upload_avatar": Scope.WRITE_ACCOUNT,
    "remove_avatar": Scope.WRITE_ACCOUNT,
    "list_streams": Scope.READ_STREAMS,
    "stream": Scope.READ_STREAMS,
    "broadcasts_of_stream": Scope.READ_STREAMS,
    "broadcast": Scope.READ_STREAMS,
    "open_session": Scope.READ_STREAMS,
    "create": Scope.WRITE_STREAMS,
    "change": Scope.WRITE_STREAMS,
    "delete": Scope.WRITE_STREAMS,
    "start": Scope.WRITE_STREAMS,
    "stop": Scope.WRITE_STREAMS,
    "ingest": Scope.READ_STREAM_KEYS,
    "open_ingest": Scope.READ_STREAM_KEYS,  # whoever has the key may publish, and so may ask where to
    "rotate": Scope.WRITE_STREAM_KEYS,
    "messages": Scope.READ_CHAT,
    "replay": Scope.READ_CHAT,
    "emotes": Scope.READ_CHAT,
    "add_emote": Scope.WRITE_MODERATION,
    "take_emote_away": Scope.WRITE_MODERATION,
    "ticket": Scope.WRITE_CHAT,
    "change_recording": Scope.WRITE_STREAMS,
    "remove_recording": Scope.WRITE_STREAMS,
    "clips_of_stream": Scope.READ_STREAMS,
    "clip": Scope.READ_STREAMS,
    "make": Scope.WRITE_STREAMS,
    "remove_clip": Scope.WRITE_STREAMS,
    "allowed_viewers": Scope.READ_STREAMS,
    "allow_viewer": Scope.WRITE_STREAMS,
    "disallow_viewer": Scope.WRITE_STREAMS,
    "heartbeat": Scope.READ_STREAMS,
    "moderators": Scope.READ_MODERATION,
    "vips": Scope.READ_MODERATION,
    "name_vip": Scope.WRITE_MODERATION,
    "dismiss_vip": Scope.WRITE_MODERATION,
    "room_settings": Scope.READ_MODERATION,
    "change_room_settings": Scope.WRITE_MODERATION,
    "bans": Scope.READ_MODERATION,
    "one_ban": Scope.READ_MODERATION,
    "ban_user": Scope.WRITE_MODERATION,
    "unban_user": Scope.WRITE_MODERATION,
    "delete_message": Scope.WRITE_MODERATION,
    "restore_message": Scope.WRITE_MODERATION,
    "held_messages": Scope.READ_MODERATION,
    "approve_message": Scope.WRITE_MODERATION,
    "reject_message": Scope.WRITE_MODERATION,
    "moderation_log": Scope.READ_MODERATION,
    "export_moderation_log": Scope.READ_MODERATION,
    "name_moderator": Scope.WRITE_MODERATION,
    "dismiss_moderator": Scope.WRITE_MODERATION,
}
