"""Stage 7 · what each call may be refused with, as the OpenAPI document says: by its form, and by what it is about.

By the name of the route's function, as scopes are. Every answer that any test of the API gets is held against the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from functions.api.idempotency_guard import LEFT_OUT, UNSAFE_METHODS
from functions.api.problems import PROBLEM_TYPE, status_of
from headwater import errors
from headwater.errors import HeadwaterError

Kinds = tuple[type[HeadwaterError], ...]

_LIMITED: Kinds = (errors.RateLimited,)
_OWNED: Kinds = (errors.Forbidden,)  # seen, but somebody else's
_PROOF: Kinds = (errors.ReauthenticationRequired, errors.RateLimited)
_ENTRY: Kinds = (errors.AccountSuspended, errors.RateLimited)
_ADMINS: Kinds = (errors.Forbidden,)
_HOT: Kinds = (errors.StateContended,)

REFUSALS: Mapping[str, Kinds] = {
    "register": (errors.NameTaken, *_LIMITED),
    "login": (errors.InvalidCredentials, *_ENTRY),
    "refresh": (errors.Unauthenticated, errors.TokenReused, errors.AccountSuspended),
    "end_session": (errors.NotFound,),
    "new_password": (errors.Conflict, *_LIMITED),
    "forgot_password": _LIMITED,
    "reset": (errors.LinkInvalid, *_LIMITED),
    "change_email": (errors.Conflict, *_PROOF),
    "request_verification": _LIMITED,
    "confirm_email": (errors.LinkInvalid, errors.NameTaken, *_LIMITED),
    "start_sign_in": (errors.UnknownProvider, errors.SignInExpired, errors.ProviderUnavailable, *_LIMITED),
    "finish_sign_in": (
        errors.UnknownProvider, errors.SignInFailed, errors.SignInExpired, errors.SignInDenied, errors.ProviderUnavailable,
        *_ENTRY,
    ),
    "exchange_code": (errors.SignInExpired, *_ENTRY),
    "link_identity": (errors.SignInExpired, errors.IdentityTaken),
    "start_linking": (errors.UnknownProvider,),
    "unlink_identity": (errors.NotFound, errors.LastSignInMethod),
    "choose_username": (errors.Conflict, errors.NameTaken),
    "follow_user": (errors.NotFound, errors.Conflict, errors.LimitReached),
    "unfollow_user": (errors.NotFound,),
    "create_personal_token": (errors.LimitReached,),
    "upload_avatar": _LIMITED,
    "request_data": _LIMITED,
    "delete_me": (errors.LastAdmin, *_PROOF, *_HOT),
    "create": (errors.LimitReached,),
    "change": (*_OWNED, *_HOT),
    "delete": (*_OWNED, *_HOT),
    "ingest": _OWNED,
    "rotate": (*_OWNED, *_HOT),
    "start": (*_OWNED, errors.NotLive, *_HOT),
    "open_ingest": (*_OWNED, errors.LimitReached, errors.IngestFull, *_HOT),
    "stop": (*_OWNED, errors.NotLive, *_HOT),
    "moderators": _OWNED,
    "name_moderator": (*_OWNED, errors.Conflict, errors.LimitReached, *_HOT),
    "dismiss_moderator": (*_OWNED, errors.Conflict, *_HOT),
    "vips": _OWNED,
    "name_vip": (*_OWNED, errors.Conflict, errors.LimitReached, *_HOT),
    "dismiss_vip": (*_OWNED, errors.Conflict, *_HOT),
    "room_settings": _OWNED,
    "change_room_settings": (*_OWNED, *_HOT),
    "bans": _OWNED,
    "one_ban": _OWNED,
    "ban_user": (*_OWNED, errors.Conflict),
    "unban_user": _OWNED,
    "delete_message": _OWNED,
    "restore_message": _OWNED,
    "held_messages": _OWNED,
    "approve_message": _OWNED,
    "reject_message": (*_OWNED, errors.Conflict),
    "moderation_log": _OWNED,
    "export_moderation_log": _OWNED,
    "allowed_viewers": _OWNED,
    "allow_viewer": (*_OWNED, errors.Conflict, errors.LimitReached, *_HOT),
    "disallow_viewer": (*_OWNED, errors.Conflict, *_HOT),
    "change_recording": (*_OWNED, errors.Conflict, errors.LimitReached, *_HOT),
    "remove_recording": (*_OWNED, errors.Conflict, *_HOT),
    "make": (errors.NotRecorded, errors.LimitReached, *_LIMITED),
    "remove_clip": _OWNED,
    "replay": (errors.NotRecorded,),
    "add_emote": (*_OWNED, errors.Conflict, errors.LimitReached, *_LIMITED),
    "take_emote_away": _OWNED,
    "open_session": _LIMITED,
    "search": _ADMINS,
    "administered_user": _ADMINS,
    "grant": _ADMINS,
    "revoke": (*_ADMINS, errors.LastAdmin),
    "suspend": (*_ADMINS, errors.Conflict, errors.LastAdmin, *_HOT),
    "unsuspend": (*_ADMINS, *_HOT),
    "verify": _ADMINS,
    "unverify": _ADMINS,
    "audit_log": _ADMINS,
}  # fmt: skip


def refused(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The `responses` of an operation that are problems, by status, each with the codes that it may carry."""
    codes: dict[int, list[str]] = {}
    for kind in dict.fromkeys((*_by_form(method, path, operation), *REFUSALS.get(operation["operationId"], ()))):
        codes.setdefault(status_of(kind()).value, []).append(kind.code)
    return {
        str(status): {
            "description": ", ".join(f"`{code}`" for code in codes[status]),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted(codes)
    }


def _by_form(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[type[HeadwaterError]]:
    """What follows from what a call carries. Each may carry something in its address that is no text at all."""
    yield from (errors.InvalidInput, HeadwaterError, errors.DependencyUnavailable)
    if "requestBody" in operation:
        yield from (errors.MalformedBody, errors.PayloadTooLarge, errors.UnsupportedMediaType)
    if "security" in operation:
        yield from (errors.Unauthenticated, errors.AccountSuspended, errors.InsufficientScope)
        if method in UNSAFE_METHODS and not path.startswith(LEFT_OUT):
            yield from (errors.RequestInProgress, errors.IdempotencyKeyReused)
    if "{" in path and "{provider}" not in path:
        yield errors.NotFound
