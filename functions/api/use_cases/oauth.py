"""Stage 7 · sign in with somebody else's word: go to the provider, come back, fetch the tokens; link and unlink.

A sign-in passes three hands, and each step is bound to the one before (RFC 9700 §4.7, §4.5, §2.1.1):

- the *page* keeps a verifier and names its hash, the challenge, at the start; whoever asks for the tokens shows the
  verifier. (A program that drives the browser itself may go without: the callback then answers with the tokens.)
- the *browser* keeps state and nonce in a `__Host-` cookie, so that a callback is worth nothing in another browser;
- the *provider* is held to the state, to PKCE, to its own name (RFC 9207) and, in the signed ID token, to the nonce.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from functions.api.use_cases import sessions
from functions.api.use_cases.passwords import MailRequests, tell_owner
from functions.api.use_cases.sessions import SessionStore, SignedIn, Sockets, TokenIssuer
from headwater.adapters.identities import LinkedIdentity, WaysIn
from headwater.adapters.oauth_flows import Flow, LinkTicket, Proof
from headwater.contracts import AccountMailKind
from headwater.domain.accounts import User
from headwater.domain.ids import UserId, new_id
from headwater.domain.sign_in import Device
from headwater.domain.sign_in_providers import ProvenIdentity, username_candidates
from headwater.domain.usernames import is_reserved
from headwater.errors import (
    Conflict,
    HeadwaterError,
    IdentityTaken,
    LastSignInMethod,
    NameTaken,
    NotFound,
    SignInDenied,
    SignInExpired,
    SignInFailed,
)

_SECRET_BYTES = 32
COOKIE_PREFIX = "__Host-oauth-"
_COOKIE_NAME_CHARACTERS = 12  # of the state: sign-ins in several tabs do not get in each other's way


class Provider(Protocol):
    def authorization_url(self, *, state: str, nonce: str, code_verifier: str) -> str: ...
    def check_issuer(self, claimed: str | None) -> None: ...
    def prove(self, code: str, *, code_verifier: str, nonce: str) -> ProvenIdentity: ...


class FlowStore(Protocol):
    def begin(self, state: str, flow: Flow) -> None: ...
    def take_flow(self, state: str) -> Flow | None: ...
    def keep_proof(self, code: str, proof: Proof) -> None: ...
    def take_proof(self, code: str) -> Proof | None: ...


class TicketStore(Protocol):
    def keep_ticket(self, ticket: str, held: LinkTicket) -> None: ...
    def take_ticket(self, ticket: str) -> LinkTicket | None: ...


class IdentityStore(Protocol):
    def account_of(self, proven: ProvenIdentity) -> UserId | None: ...
    def note_use(self, proven: ProvenIdentity, now: datetime) -> None: ...
    def add_account(self, user_id: UserId, username: str, email: str | None, now: datetime) -> bool: ...
    def remove_account(self, user_id: UserId) -> None: ...
    def chosen_name(self, user_id: UserId) -> str | None: ...
    def rename(self, user_id: UserId, username: str) -> bool: ...
    def is_email_in_use(self, email: str) -> bool: ...
    def link(
        self, identity_id: str, user_id: UserId, proven: ProvenIdentity, now: datetime
    ) -> LinkedIdentity | None: ...
    def of_user(self, user_id: UserId) -> Sequence[LinkedIdentity]: ...
    def ways_in(self, user_id: UserId) -> WaysIn: ...
    def unlink(self, user_id: UserId, identity_id: str) -> bool: ...


class AccountStore(Protocol):
    def by_id(self, user_id: UserId) -> User | None: ...


class Work(Protocol):
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def identities(self) -> IdentityStore: ...
    def commit(self) -> None: ...


class LinkWork(Protocol):
    @property
    def identities(self) -> IdentityStore: ...
    def commit(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the cookie that it takes along."""

    url: str
    cookie_name: str
    cookie_value: str


@dataclass(frozen=True, slots=True)
class Callback:
    """What a provider's answer carried in its address (RFC 6749 §4.1.2, RFC 9207 §2), and the cookie that came with it."""

    code: str | None
    error: str | None
    issuer: str | None
    state: str
    cookie: str | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody signed in. `email_in_use`: the address that the provider vouched for belongs to another account here."""

    signed_in: SignedIn
    is_new: bool
    email_in_use: bool


def begin(
    flows: FlowStore, provider: Provider, name: str, challenge: str | None, link_to: UserId | None = None
) -> Departure:
    """Send somebody to the provider. Raises ProviderUnavailable, DependencyUnavailable."""
    state, nonce, code_verifier = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
    url = provider.authorization_url(state=state, nonce=nonce, code_verifier=code_verifier)
    cookie = f"{state}.{nonce}"
    flow = Flow(provider=name, browser=_hash(cookie), code_verifier=code_verifier, challenge=challenge, link_to=link_to)
    flows.begin(state, flow)
    return Departure(url, cookie_name(state), cookie)


def come_back(flows: FlowStore, provider: Provider, name: str, callback: Callback) -> tuple[ProvenIdentity, Flow]:
    """A provider's answer: whom it proves, and the sign-in that it answers. Every answer is looked at once.

    Raises SignInExpired for an answer to nothing that this browser asked; SignInDenied, SignInFailed, ProviderUnavailable.
    """
    state, nonce = _kept_by_browser(callback)
    flow = flows.take_flow(state)
    if flow is None or flow.provider != name or not _same(flow.browser, _hash(f"{state}.{nonce}")):
        raise SignInExpired
    provider.check_issuer(callback.issuer)
    if callback.error is not None:
        raise SignInDenied if callback.error == "access_denied" else SignInFailed
    if not callback.code:
        raise SignInFailed
    return provider.prove(callback.code, code_verifier=flow.code_verifier, nonce=nonce), flow


def keep_proof(flows: FlowStore, proven: ProvenIdentity, challenge: str, link_to: UserId | None) -> str:
    """A code for the page that began, good for a minute and only together with its verifier."""
    code = secrets.token_urlsafe(_SECRET_BYTES)
    proof = Proof(
        provider=proven.provider,
        issuer=proven.issuer,
        subject=proven.subject,
        email=proven.email,
        preferred_username=proven.preferred_username,
        challenge=challenge,
        link_to=link_to,
    )
    flows.keep_proof(code, proof)
    return code


def redeem_proof(flows: FlowStore, code: str, verifier: str, link_to: UserId | None) -> ProvenIdentity:
    """What a callback proved, to the page that began, for what it began it for. Raises SignInExpired."""
    proof = flows.take_proof(code)
    if proof is None or not _same(proof.challenge, _challenge(verifier)) or proof.link_to != link_to:
        raise SignInExpired
    return ProvenIdentity(
        provider=proof.provider,
        issuer=proof.issuer,
        subject=proof.subject,
        email=proof.email,
        preferred_username=proof.preferred_username,
    )


def sign_in(
    work: Work,
    sockets: Callable[[], Sockets],
    tokens: TokenIssuer,
    proven: ProvenIdentity,
    device: Device,
    may_join: Callable[[], None],
) -> Arrival:
    """Into the account that this identity opens, or into a new one; `may_join` raises when there may be no new one now.

    Never into an account that merely has the same address: who controls a mailbox today may not be who opened the account.
    """
    now = datetime.now(UTC)
    user_id = work.identities.account_of(proven)
    is_new = user_id is None
    email_in_use = False
    if user_id is None:
        may_join()
        email_in_use = proven.email is not None and work.identities.is_email_in_use(proven.email)
        user_id = _join(work.identities, proven, None if email_in_use else proven.email, now)
    work.identities.note_use(proven, now)
    user = work.accounts.by_id(user_id)
    if user is None:
        raise SignInExpired  # deleted at this very moment
    return Arrival(sessions.sign_in(work, sockets, tokens, user, device), is_new, email_in_use)


def _join(identities: IdentityStore, proven: ProvenIdentity, email: str | None, now: datetime) -> UserId:
    user_id = UserId(new_id())
    for username in username_candidates(proven.preferred_username, _random_digits):
        if identities.add_account(user_id, username, email, now):
            break
        if email is not None and identities.is_email_in_use(email):
            email = None  # taken a moment ago
            if identities.add_account(user_id, username, email, now):
                break
    else:
        raise HeadwaterError
    if identities.link(new_id(), user_id, proven, now) is not None:
        return user_id
    identities.remove_account(user_id)
    winner = identities.account_of(proven)  # the same person, in another tab, was faster
    if winner is None:
        raise SignInExpired
    return winner


def choose_username(identities: IdentityStore, user_id: UserId, username: str) -> None:
    """In the place of the one that we made up. Raises Conflict when it was chosen already, NameTaken."""
    chosen = identities.chosen_name(user_id)
    if chosen == username:
        return  # who did not get the answer asks again
    if chosen is not None:
        raise Conflict("The username of this account was chosen already.")
    if is_reserved(username) or not identities.rename(user_id, username):
        raise NameTaken


def permit_link(tickets: TicketStore, user_id: UserId, provider: str, challenge: str) -> str:
    """A ticket to begin linking with: a browser can send no token when it follows a link."""
    ticket = secrets.token_urlsafe(_SECRET_BYTES)
    tickets.keep_ticket(ticket, LinkTicket(user_id=user_id, provider=provider, challenge=challenge))
    return ticket


def redeem_link_ticket(tickets: TicketStore, ticket: str, provider: str) -> LinkTicket:
    held = tickets.take_ticket(ticket)
    if held is None or held.provider != provider:
        raise SignInExpired
    return held


def link(work: LinkWork, mail: MailRequests, user_id: UserId, proven: ProvenIdentity) -> LinkedIdentity:
    """The owner is written to, for it may not have been them. Raises IdentityTaken, without saying whose it is."""
    linked = work.identities.link(new_id(), user_id, proven, datetime.now(UTC))
    if linked is None:
        raise IdentityTaken
    work.commit()
    tell_owner(mail, AccountMailKind.IDENTITY_LINKED, user_id)
    return linked


def unlink(work: LinkWork, mail: MailRequests, user_id: UserId, identity_id: str) -> None:
    """Raises NotFound; LastSignInMethod when nobody could open the account any more."""
    ways = work.identities.ways_in(user_id)
    if not work.identities.unlink(user_id, identity_id):
        raise NotFound
    if not ways.has_password and ways.identities <= 1:
        raise LastSignInMethod  # the unit of work is given up, and with it the removal
    work.commit()
    tell_owner(mail, AccountMailKind.IDENTITY_UNLINKED, user_id)


def cookie_name(state: str) -> str:
    return COOKIE_PREFIX + state[:_COOKIE_NAME_CHARACTERS]


def _kept_by_browser(callback: Callback) -> tuple[str, str]:
    state, _, nonce = (callback.cookie or "").partition(".")
    if not callback.state or not nonce or not _same(state, callback.state):
        raise SignInExpired
    return state, nonce


def _challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _random_digits(count: int) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(count))
