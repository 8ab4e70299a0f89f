"""Stage 6 · the public halves of playback keys at CloudFront, and the key group that its signed entrances ask.

CloudFront names keys itself, and its names are what signatures carry; a key never changes. Ours are found by the name that
the deployment gives all of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from headwater.adapters import aws


class EdgeKeys:
    """CloudFront's errors are raised as they are: whoever deploys or rotates is to see them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def register(self, public_pem: str) -> str:
        """The id under which CloudFront knows the key from now on."""
        token = secrets.token_hex(8)
        config = {"CallerReference": token, "Name": f"{self._name}-{token}", "EncodedKey": public_pem}
        made: dict[str, Any] = aws.client("cloudfront").create_public_key(PublicKeyConfig=config)
        return str(made["PublicKey"]["Id"])

    def hold(self, key_ids: Sequence[str]) -> str:
        """Make these the keys of the group, and forget all others of ours; the group's id."""
        cloudfront = aws.client("cloudfront")
        config = {"Name": self._name, "Items": list(key_ids), "Comment": "Headwater: signed access to private media"}
        group_id = self._group_id()
        if group_id is None:
            group_id = str(cloudfront.create_key_group(KeyGroupConfig=config)["KeyGroup"]["Id"])
        else:
            known = cloudfront.get_key_group(Id=group_id)
            if sorted(known["KeyGroup"]["KeyGroupConfig"]["Items"]) != sorted(key_ids):
                cloudfront.update_key_group(Id=group_id, IfMatch=known["ETag"], KeyGroupConfig=config)
        self._forget_all_but(key_ids)
        return group_id

    def remove(self) -> None:
        """The group, which no distribution may use any more, and its keys."""
        cloudfront = aws.client("cloudfront")
        group_id = self._group_id()
        if group_id is not None:
            cloudfront.delete_key_group(Id=group_id, IfMatch=cloudfront.get_key_group(Id=group_id)["ETag"])
        self._forget_all_but(())

    def _group_id(self) -> str | None:
        groups = _every("list_key_groups", "KeyGroupList")
        found = (each["KeyGroup"] for each in groups if each["KeyGroup"]["KeyGroupConfig"]["Name"] == self._name)
        return next((str(each["Id"]) for each in found), None)

    def _forget_all_but(self, key_ids: Sequence[str]) -> None:
        cloudfront = aws.client("cloudfront")
        for key in list(_every("list_public_keys", "PublicKeyList")):
            if key["Name"].startswith(f"{self._name}-") and key["Id"] not in key_ids:
                etag = cloudfront.get_public_key(Id=key["Id"])["ETag"]
                cloudfront.delete_public_key(Id=key["Id"], IfMatch=etag)


def _every(operation: str, answer: str) -> Iterator[dict[str, Any]]:
    marker: dict[str, str] = {}
    while True:
        page = getattr(aws.client("cloudfront"), operation)(**marker)[answer]
        yield from page.get("Items", [])
        if not page.get("NextMarker"):
            return
        marker = {"Marker": page["NextMarker"]}
