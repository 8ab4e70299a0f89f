"""The way of an e-mail in tests: asked for by the API, written by functions/account_mail, taken by moto's SES."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from functions.account_mail import wiring as mail_wiring
from functions.account_mail.handler import handler as account_mail_handler
from headwater.adapters import aws
from tests.aws import REGION, queue_record, received

WEB = "https://www.example.org"
SENDER = "Headwater <no-reply@headwater.example>"


@dataclass(frozen=True)
class Delivered:
    to: list[str]
    subject: str
    html: str

    @property
    def token(self) -> str:
        """The secret of the link in it."""
        [found] = re.findall(rf'href="{WEB}/account/\w+#([^"]+)"', self.html)
        return str(found)


def mail_environment() -> dict[str, str]:
    """A fresh account's queue and identity, and the variables that name them."""
    queue_url = aws.client("sqs").create_queue(QueueName="account-mail")["QueueUrl"]
    aws.client("sesv2").create_email_identity(EmailIdentity="headwater.example")
    mail_wiring.wiring.cache_clear()
    return {"ACCOUNT_MAIL_QUEUE_URL": queue_url, "MAIL_SENDER": SENDER}


def asked_for() -> list[str]:
    """The messages in the queue, taken off it."""
    return received(os.environ["ACCOUNT_MAIL_QUEUE_URL"])


def letters() -> list[Delivered]:
    """What people were sent since the last time."""
    sent = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages
    sent.clear()
    records = [queue_record(f"m{number}", body) for number, body in enumerate(asked_for())]
    assert account_mail_handler({"Records": records}, None) == {"batchItemFailures": []}
    return [Delivered(each.destinations["ToAddresses"], each.subject, each.body) for each in sent]


def forget_mail() -> None:
    if mail_wiring.wiring.cache_info().currsize:
        mail_wiring.wiring().database.close()
    mail_wiring.wiring.cache_clear()
