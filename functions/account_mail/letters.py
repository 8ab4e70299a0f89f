"""Stage 7 · what we write to people: every e-mail as plain text and as simple HTML, from one description.

No picture, no script, nothing from elsewhere, no tracking: it reads the same everywhere, and tells nobody that it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape

_FOOTER = "You get this message because somebody used this address at Headwater. We never ask for your password."


@dataclass(frozen=True, slots=True)
class Letter:
    subject: str
    text: str
    html: str


def reset_password(username: str, link: str, life: timedelta) -> Letter:
    return _letter(
        "Choose a new password",
        [
            f"Hello {username},",
            "somebody asked for a new password for your account. If that was you, choose it here:",
        ],
        ("Choose a new password", link),
        [
            f"The link works once, for {_words(life)}. Whoever is signed in to your account will be signed out, and "
            "personal access tokens end.",
            "If it was not you, do nothing: your password stays as it is.",
        ],
    )


def verify_email(username: str, link: str, life: timedelta) -> Letter:
    return _letter(
        "Confirm your e-mail address",
        [f"Hello {username},", "please confirm that this address is yours:"],
        ("Confirm this address", link),
        [
            f"The link works once, for {_words(life)}.",
            "If you have no account with us, do nothing; somebody has mistyped their own address.",
        ],
    )


def change_email(username: str, link: str, life: timedelta) -> Letter:
    return _letter(
        "Confirm your new e-mail address",
        [f"Hello {username},", "your account is to have this address from now on. Please confirm that it is yours:"],
        ("Confirm this address", link),
        [
            f"The link works once, for {_words(life)}. Until then your account keeps the address that it has.",
            "If you have no account with us, do nothing; somebody has mistyped their own address.",
        ],
    )


def address_in_use(username: str, link: str) -> Letter:
    return _letter(
        "This address has an account already",
        [
            f"Hello {username},",
            "somebody asked for another account to have this address, but it is the address of yours. Nothing has changed.",
            "If that was you, give this account another address first:",
        ],
        ("Look at your account", link),
        ["If it was not you, do nothing."],
    )


def email_changing(username: str, link: str) -> Letter:
    return _letter(
        "Your account is about to have another address",
        [
            f"Hello {username},",
            "somebody asked for your account to have another e-mail address, and a link to confirm it was sent there.",
            "If that was you, all is well. If it was not, somebody knows your password. To choose a new one stops it:",
        ],
        ("Choose a new password", link),
        [],
    )


def email_changed(username: str, link: str) -> Letter:
    return _letter(
        "Your account has another address",
        [
            f"Hello {username},",
            "your account has another e-mail address from now on. We write to it there, and no longer here.",
            "If that was you, all is well. If it was not, end the sessions that you do not know, and write to us:",
        ],
        ("Look at your account", link),
        [],
    )


def password_changed(username: str, link: str) -> Letter:
    return _letter(
        "Your password was changed",
        [
            f"Hello {username},",
            "the password of your account was changed, and every other device was signed out.",
            "If that was you, all is well. If it was not, take your account back with a new password:",
        ],
        ("Choose a new password", link),
        [],
    )


def identity_linked(username: str, link: str) -> Letter:
    return _letter(
        "Another way to sign in to your account",
        [
            f"Hello {username},",
            "an identity at another site was linked to your account: whoever signs in there can now sign in here with it.",
            "If that was you, all is well. If it was not, unlink it and choose a new password:",
        ],
        ("Look at your account", link),
        [],
    )


def identity_unlinked(username: str, link: str) -> Letter:
    return _letter(
        "One way less to sign in to your account",
        [
            f"Hello {username},",
            "an identity at another site was unlinked from your account, and does not open it any more.",
            "If that was you, all is well. If it was not, sign in some other way and link it again:",
        ],
        ("Look at your account", link),
        [],
    )


def _letter(subject: str, before: Sequence[str], button: tuple[str, str], after: Sequence[str]) -> Letter:
    words, link = button
    text = "\n\n".join([*before, link, *after, f"-- \n{_FOOTER}"]) + "\n"
    paragraphs = [f"<p>{escape(line)}</p>" for line in before]
    paragraphs.append(
        f'<p><a href="{escape(link)}" style="display:inline-block;padding:.6em 1.2em;border-radius:.35em;'
        f'background:#0b6e8f;color:#ffffff;text-decoration:none;font-weight:600">{escape(words)}</a></p>'
    )
    paragraphs += [f"<p>{escape(line)}</p>" for line in after]
    paragraphs.append(f'<p style="color:#51626c;font-size:.85em">{escape(_FOOTER)}</p>')
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(subject)}</title></head>'
        f'<body style="font:16px/1.5 system-ui,sans-serif;color:#14212a;max-width:34em;margin:1.5em auto;padding:0 1em">'
        f"{''.join(paragraphs)}</body></html>"
    )
    return Letter(subject, text, html)


def _words(life: timedelta) -> str:
    hours = life.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours > 1 else f"{life.total_seconds() / 60:.0f} minutes"
