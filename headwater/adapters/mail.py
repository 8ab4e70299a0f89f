"""Stage 7 · e-mail through Amazon SES (API version 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.errors import DependencyUnavailable, MailRefused

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

# AWS: "SendEmail", errors that the same message will meet again: its address is malformed or on the suppression list.
_PERMANENT = frozenset({"MessageRejected", "BadRequestException", "NotFoundException"})


class Mail:
    def __init__(self, sender: str) -> None:
        """`sender`: `Name <address>` of an identity that SES knows to be ours."""
        self._sender = sender

    def send(self, to: str, subject: str, text: str, html: str) -> None:
        """Raises MailRefused when SES will never take it, DependencyUnavailable when it may the next time."""
        ses: SESV2Client = aws.client("sesv2")
        try:
            ses.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [to]},
                Content={
                    "Simple": {
                        "Subject": {"Data": subject, "Charset": "UTF-8"},
                        "Body": {
                            "Text": {"Data": text, "Charset": "UTF-8"},
                            "Html": {"Data": html, "Charset": "UTF-8"},
                        },
                    }
                },
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            # Without its cause: SES's message quotes the address.
            raise (MailRefused if code in _PERMANENT else DependencyUnavailable)(f"SES answered {code}.") from None
        except BotoCoreError as error:
            raise DependencyUnavailable from error
