"""Every way Headwater refuses or fails, by stable code; each transport renders these in one table of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad input field: `field` is a dotted path in the request, `message` says what to do."""

    field: str
    message: str


class HeadwaterError(Exception):
    """Base of every refusal and failure. `code` is part of the public contract; `detail` is safe to show to anyone."""

    code: str = "internal_error"
    default_detail: str = "Something went wrong on our side. Try again in a moment."

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int | None = None) -> None:
        self.detail = detail or self.default_detail
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.detail)


class InvalidInput(HeadwaterError):
    """The request has the wrong shape. `errors` names each bad field."""

    code = "invalid_input"
    default_detail = "The request is not valid. See `errors` for each field."

    def __init__(self, detail: str | None = None, *, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class MalformedBody(HeadwaterError):
    """The body cannot be read at all, so no field can be named."""

    code = "malformed_body"
    default_detail = "The request body is not valid JSON."


class UnsupportedMediaType(HeadwaterError):
    code = "unsupported_media_type"
    default_detail = "Send the request body as `Content-Type: application/json`."


class MethodNotAllowed(HeadwaterError):
    code = "method_not_allowed"
    default_detail = "This address does not take this method."


class Unauthenticated(HeadwaterError):
    code = "unauthenticated"
    default_detail = "Sign in first: send a valid access token as `Authorization: Bearer …`."


class InvalidCredentials(Unauthenticated):
    code = "invalid_credentials"
    default_detail = "The username, e-mail address or password is wrong."


class TokenReused(Unauthenticated):
    code = "token_reused"
    default_detail = "This refresh token was used before, so its session was ended. Sign in again."


class Forbidden(HeadwaterError):
    code = "forbidden"
    default_detail = "You may not do this."


class AccountSuspended(Forbidden):
    """Told only to who has proven to be the owner: by the password, or by a token that was valid until now."""

    code = "account_suspended"
    default_detail = "This account is suspended."


class InsufficientScope(Forbidden):
    """A personal access token that is good, but not for this."""

    code = "insufficient_scope"
    default_detail = "This personal access token may not do this."


class NotFound(HeadwaterError):
    code = "not_found"
    default_detail = "There is nothing here, or you may not see it."


class UnknownProvider(NotFound):
    code = "unknown_provider"
    default_detail = (
        "This deployment offers no sign-in with this provider. `GET /v1/auth/oauth/providers` lists those it offers."
    )


class SignInFailed(HeadwaterError):
    """A provider's answer that proves nothing: refused, altered, of somebody else's, or not for us."""

    code = "sign_in_failed"
    default_detail = "The provider did not confirm who you are. Begin again."


class SignInExpired(SignInFailed):
    """The sign-in is not one that this browser began, or is over: too old, or finished once already."""

    code = "sign_in_expired"
    default_detail = "This sign-in took too long, was finished already, or was begun in another browser. Begin again."


class SignInDenied(SignInFailed):
    code = "sign_in_denied"
    default_detail = "The provider was told not to sign you in here."


class Conflict(HeadwaterError):
    code = "conflict"
    default_detail = "This contradicts the current state. Fetch it again and decide anew."


class NameTaken(Conflict):
    code = "name_taken"
    default_detail = "This username or e-mail address is already in use."


class IdentityTaken(Conflict):
    code = "identity_taken"
    default_detail = "This identity, or another one of the same provider, is linked already."


class LastSignInMethod(Conflict):
    code = "last_sign_in_method"
    default_detail = "There would be no way left to sign in. Set a password or link another identity first."


class LastAdmin(Conflict):
    code = "last_admin"
    default_detail = "This is the only administrator left. Make another one first."


class ReauthenticationRequired(Forbidden):
    """What cannot be undone takes more than a token that may have been left lying about."""

    code = "reauthentication_required"
    default_detail = "Send your password, or sign in again and repeat this within ten minutes."


class NotRecorded(Conflict):
    code = "not_recorded"
    default_detail = "This broadcast is not recorded, so nothing can be made of it."


class LimitReached(Conflict):
    """There are as many of something as there may be; `detail` says of what."""

    code = "limit_reached"
    default_detail = "There are as many as there may be. Remove one first."


class RequestInProgress(Conflict):
    code = "request_in_progress"
    default_detail = "A request with this `Idempotency-Key` is being carried out. Try again in a moment."


class IdempotencyKeyReused(HeadwaterError):
    code = "idempotency_key_reused"
    default_detail = "This `Idempotency-Key` was sent before with another body. Make up a new one for every request."


class NotLive(Conflict):
    code = "not_live"
    default_detail = "The stream has no broadcast at the moment."


class LinkInvalid(HeadwaterError):
    """A link from an e-mail that was used, replaced, has run out, or never was."""

    code = "link_invalid"
    default_detail = "This link is not valid any more. Ask for a new one; each works once, and only for a while."


class RateLimited(HeadwaterError):
    code = "rate_limited"
    default_detail = "Too many requests. Wait for the time given in `Retry-After`."


class PayloadTooLarge(HeadwaterError):
    code = "payload_too_large"
    default_detail = "The request body is too large."


class PublishRefused(HeadwaterError):
    """The encoder may not publish. The reason never tells a wrong key from an unknown stream."""

    code = "publish_refused"
    default_detail = "This stream key is not valid."


class AlreadyPublishing(PublishRefused):
    code = "already_publishing"
    default_detail = "Another encoder is publishing with this key."


class TooManyBroadcasts(PublishRefused):
    """The owner has as many broadcasts on the air as one may have."""

    code = "too_many_broadcasts"
    default_detail = "An account may have only so many broadcasts on the air at once. Stop one of the others first."


class HookRejected(HeadwaterError):
    """A hook that is unsigned, wrongly signed, out of date or malformed. It changes nothing."""

    code = "hook_rejected"
    default_detail = "The hook's signature, time or form is not valid."


class StateContended(HeadwaterError):
    """Many writers raced for one item and this one kept losing. Transient: try again."""

    code = "state_contended"
    default_detail = "The stream is changing too quickly. Try again."


class DependencyUnavailable(HeadwaterError):
    """A backing service did not answer in time. Transient: queues redeliver, clients retry."""

    code = "dependency_unavailable"
    default_detail = "A service we depend on is not answering. Try again in a moment."


class IngestFull(DependencyUnavailable):
    """On demand: every ingest node that the deployment may have runs, and has as many publishers as it takes."""

    code = "ingest_full"
    default_detail = "All places to publish to are taken. Try again in a few minutes."


class ProviderUnavailable(DependencyUnavailable):
    code = "provider_unavailable"
    default_detail = "The sign-in provider is not answering, or not as it should. Try again in a moment."


class MailRefused(HeadwaterError):
    """SES will never take this message: its address is malformed, or known to be no good."""

    code = "mail_refused"
    default_detail = "The e-mail could not be sent to this address."


class LeaseLost(HeadwaterError):
    """Another worker holds the broadcast now; this one must stop writing at once."""

    code = "lease_lost"
    default_detail = "This worker no longer holds the broadcast's lease."


class MediaFormatError(HeadwaterError):
    """The bytes are not FLV of the form that we ask FFmpeg for."""

    code = "media_format"
    default_detail = "The transcoder wrote media in a form that cannot be packaged."


class MisalignedTracks(MediaFormatError):
    """A rendition has no keyframe where a segment must begin."""

    code = "misaligned_tracks"
    default_detail = "The renditions could not be cut at the same time."


class FfmpegUnavailable(DependencyUnavailable):
    code = "ffmpeg_unavailable"
    default_detail = "The transcoder (ffmpeg) could not be started."


class SourceUnplayable(HeadwaterError):
    """What the encoder sends can never be played. `detail` is for the broadcaster."""

    code = "source_unplayable"
    default_detail = "The encoder's stream cannot be played."


class TranscodeFailed(HeadwaterError):
    """The transcoder cannot be started, or keeps failing. `detail` is for the broadcaster."""

    code = "transcode_failed"
    default_detail = "The stream could not be transcoded."


class ObjectChanged(HeadwaterError):
    """A stored object is not the version that this writer wrote or read last: somebody else wrote or removed it."""

    code = "object_changed"
    default_detail = "Somebody else has written this object meanwhile."


class BadFrame(HeadwaterError):
    code = "bad_frame"
    default_detail = "This is not a frame of the chat protocol: a JSON object with `action` and the fields it needs."


class UnknownAction(HeadwaterError):
    code = "unknown_action"
    default_detail = "There is no such `action`."


class NotJoined(HeadwaterError):
    code = "not_joined"
    default_detail = "Join the room first."


class TooLong(HeadwaterError):
    code = "too_long"
    default_detail = "A chat message has at most 500 characters."


class Banned(Forbidden):
    code = "banned"
    default_detail = "You are banned from this room. You may read it."


class TimedOut(Forbidden):
    code = "timed_out"
    default_detail = "You are timed out: you may read, and chat again later."


class FollowersOnly(Forbidden):
    code = "followers_only"
    default_detail = "Only followers may chat here at the moment."


class AccountTooYoung(Forbidden):
    code = "account_too_young"
    default_detail = "Your account is too new to chat here."


class EmoteOnly(Forbidden):
    code = "emote_only"
    default_detail = "Only emotes may be sent here at the moment."


class BlockedTermsUsed(Forbidden):
    """Does not say which: it would be a list of what to write otherwise."""

    code = "blocked_terms"
    default_detail = "The message holds something that is blocked in this room."


class NotUnique(Forbidden):
    code = "not_unique"
    default_detail = "This was said here in the last ten minutes."


class SlowMode(RateLimited):
    code = "slow_mode"
    default_detail = "The room is in slow mode: wait a little between messages."
