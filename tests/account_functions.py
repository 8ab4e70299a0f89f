"""What becomes of an account's pictures and data behind the API: the functions, and what they are told by S3 and queues."""

from __future__ import annotations

import io
import json
from typing import Any

from moto.sqs.models import sqs_backends
from PIL import Image

from functions.account_data.handler import handler as account_data
from functions.picture_maker.handler import handler as picture_maker
from headwater.adapters import aws
from headwater.adapters.chat_archive import ChatArchive
from headwater.contracts import ChatMessageArchived
from headwater.domain.ids import MessageId, StreamId, UserId, new_id
from tests.aws import REGION, queue_record
from tests.rest_api import UPLOAD_BUCKET, Person, RestApi


def keys(bucket: str, person: Person) -> list[str]:
    """What lies under this person's name."""
    listed = aws.client("s3").list_objects_v2(Bucket=bucket)
    return sorted(each["Key"] for each in listed.get("Contents", []) if f"/{person.user['id']}/" in each["Key"])


def send_file(person: Person, body: bytes, form: dict[str, Any] | None = None) -> str:
    """What S3 does with a form that is filled in as it should be; answers with the object's key."""
    if form is None:
        form = person.api.post("/v1/me/avatar", {"content_type": "image/png"}).json
    key: str = form["fields"]["key"]
    aws.client("s3").put_object(Bucket=UPLOAD_BUCKET, Key=key, Body=body)
    return key


def notify(*uploaded: str) -> None:
    records = [{"s3": {"object": {"key": key}}} for key in uploaded]
    answer = picture_maker({"Records": [queue_record("m", json.dumps({"Records": records}))]}, None)
    assert answer["batchItemFailures"] == []


def work_off() -> None:
    """Hand what the API asked for to the function that does it."""
    records = [queue_record(str(number), body) for number, body in enumerate(bodies())]
    assert account_data({"Records": records}, None)["batchItemFailures"] == []


def bodies() -> list[str]:
    """Also of messages that are to come later, which takes a look behind moto's curtain."""
    queue = sqs_backends["123456789012"][REGION].queues["account-data"]
    found = [message.body for message in queue._messages]
    queue._messages.clear()
    return found


def picture(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(out, "PNG")
    return out.getvalue()


def say(api: RestApi, person: Person, stream: dict[str, Any], text: str) -> None:
    message = ChatMessageArchived(
        stream_id=StreamId(stream["id"]),
        seq=1,
        message_id=MessageId(new_id()),
        user_id=UserId(person.user["id"]),
        username=person.user["username"],
        text=text,
        reply_to=None,
        created_at=1_800_000_000_000,
    )
    with api.services.database.begin() as connection:
        ChatArchive(connection).record([message])
