"""Stage 7 · joins account_mail to PostgreSQL and SES, at the first call."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from functions.account_mail.send_account_mail import SendAccountMail
from functions.account_mail.settings import AccountMailSettings
from headwater.adapters.accounts import Accounts
from headwater.adapters.database_login import database_of
from headwater.adapters.mail import Mail
from headwater.adapters.mail_links import MailLinks
from headwater.adapters.sign_in_sessions import SignInSessions
from headwater.settings import load_settings


class UnitOfWork:
    def __init__(self, connection: Connection) -> None:
        self.accounts = Accounts(connection)
        self.sessions = SignInSessions(connection)
        self.links = MailLinks(connection)


class Wiring:
    def __init__(self, settings: AccountMailSettings) -> None:
        self.database = database_of(settings)
        self.send_account_mail = SendAccountMail(self._unit_of_work, Mail(settings.mail_sender), settings.web_url)

    @contextmanager
    def _unit_of_work(self) -> Iterator[UnitOfWork]:
        with self.database.begin() as connection:
            yield UnitOfWork(connection)


@functools.cache
def wiring() -> Wiring:
    return Wiring(load_settings(AccountMailSettings))
