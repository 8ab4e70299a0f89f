"""What SES is asked to send on one machine can be read there."""

from __future__ import annotations

import asyncio
import dataclasses
import smtplib
import socket
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from localrun.mailbox import mailbox
from localrun.plan import plan_from
from tests.event_loops import run


def test_a_message_lands_as_text_and_as_html(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    plan = plan_from({"HEADWATER_DATA": str(tmp_path)})
    plan = dataclasses.replace(plan, ports=dataclasses.replace(plan.ports, mail=port))
    message = MIMEMultipart("alternative")
    message["From"], message["To"], message["Subject"] = "Headwater <no-reply@x.test>", "../ana@x.test", "Für Ana"
    message.attach(MIMEText("Öffne\n.\n..https://x.test/account/reset#hwm_abc\n", "plain", "utf-8"))
    message.attach(MIMEText("<p>Öffne</p>", "html", "utf-8"))

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as connection:
            connection.sendmail("no-reply@x.test", ["ana@x.test"], message.as_string())

    async def sending() -> None:
        async with mailbox(plan):
            await asyncio.to_thread(send)

    run(sending())
    html, text = sorted((tmp_path / "mail").iterdir())
    assert html.read_text().strip() == "<p>Öffne</p>"
    assert "Subject: Für Ana" in text.read_text()
    assert "Öffne\n.\n..https://x.test/account/reset#hwm_abc" in text.read_text()
    assert text.name.endswith("-ana@x.test.txt")
