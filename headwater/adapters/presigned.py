"""Stage 7 · addresses that let a browser speak to S3 itself, for a few minutes and for one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.adapters import aws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class UploadForm:
    """Where to POST, as `multipart/form-data`, these fields and then the file."""

    url: str
    fields: dict[str, str]


class Presigned:
    """One bucket's. Nothing here speaks to S3: a signature is a matter of our own credentials."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def upload(self, key: str, content_type: str, max_bytes: int, seconds: int) -> UploadForm:
        """S3 takes exactly this key and type, and at least a byte and at most `max_bytes`."""
        s3: S3Client = aws.s3_signer()
        made = s3.generate_presigned_post(
            Bucket=self._bucket,
            Key=key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, max_bytes]],
            ExpiresIn=seconds,
        )
        return UploadForm(made["url"], dict(made["fields"]))

    def download(self, key: str, filename: str, seconds: int) -> str:
        s3: S3Client = aws.s3_signer()
        parameters = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
        }
        return s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
