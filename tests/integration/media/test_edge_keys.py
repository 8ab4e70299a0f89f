"""The keys of private playback at CloudFront: named by it, in its key group before they sign, and gone after they did."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from functions.playback_keys.handler import handler
from headwater.adapters import aws
from headwater.adapters.media_signer import MediaSigner
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.domain.ids import StreamId, new_id
from headwater.domain.media_access import Audience
from headwater.domain.signing_keys import KEPT_AFTER_USE_SECONDS, PUBLISHED_BEFORE_USE_SECONDS
from localrun.media_gate.signed_requests import is_signed
from tests.aws import Account

CDN = "https://cdn.example.org"


class CloudFront:
    """Key groups and public keys, as strict as the API's reference; every call is held against botocore's model of it."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self._model = get_session().get_service_model("cloudfront")
        self._made = 0

    def __getattr__(self, operation: str) -> Any:
        name = "".join(part.title() for part in operation.split("_"))
        shape = self._model.operation_model(name).input_shape
        assert shape is not None

        def call(**values: Any) -> Any:
            report = ParamValidator().validate(values, shape)
            assert not report.has_errors(), report.generate_report()
            called = {"id_" if each == "Id" else each.lower(): value for each, value in values.items()}
            return getattr(self, f"on_{operation}")(**called)

        return call

    def _id(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._made:013d}"

    def on_create_public_key(self, publickeyconfig: Mapping[str, str]) -> Any:
        made = {"Id": self._id("K"), **publickeyconfig}
        self.keys[made["Id"]] = made
        return {"PublicKey": made, "ETag": "1"}

    def on_get_public_key(self, id_: str) -> Any:
        return {"PublicKey": self.keys[id_], "ETag": f"of-{id_}"}

    def on_delete_public_key(self, id_: str, ifmatch: str) -> None:
        assert ifmatch == f"of-{id_}"
        assert not any(id_ in group["Items"] for group in self.groups.values()), "PublicKeyInUse"
        del self.keys[id_]

    def on_list_public_keys(self, marker: str = "") -> Any:
        # A page for each key, as if there were hundreds.
        ids = sorted(each for each in self.keys if each > marker)
        page = {"Items": [self.keys[ids[0]]]} if ids else {}
        return {"PublicKeyList": page | ({"NextMarker": ids[0]} if len(ids) > 1 else {})}

    def on_create_key_group(self, keygroupconfig: Mapping[str, Any]) -> Any:
        assert set(keygroupconfig["Items"]) <= self.keys.keys()
        made = self._id("G")
        self.groups[made] = {**keygroupconfig, "version": 0}
        return {"KeyGroup": {"Id": made}}

    def on_get_key_group(self, id_: str) -> Any:
        return {"KeyGroup": {"Id": id_, "KeyGroupConfig": self.groups[id_]}, "ETag": str(self.groups[id_]["version"])}

    def on_update_key_group(self, id_: str, ifmatch: str, keygroupconfig: Mapping[str, Any]) -> None:
        assert ifmatch == str(self.groups[id_]["version"])
        assert set(keygroupconfig["Items"]) <= self.keys.keys()
        self.groups[id_] = {**keygroupconfig, "version": int(ifmatch) + 1}

    def on_delete_key_group(self, id_: str, ifmatch: str) -> None:
        assert ifmatch == str(self.groups[id_]["version"])
        del self.groups[id_]

    def on_list_key_groups(self) -> Any:
        return {
            "KeyGroupList": {
                "Items": [{"KeyGroup": {"Id": each, "KeyGroupConfig": self.groups[each]}} for each in self.groups]
            }
        }


@pytest.fixture
def cloudfront(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFront]:
    made = CloudFront()
    made.on_create_public_key({"Name": "somebody-elses", "CallerReference": "x", "EncodedKey": "x"})
    aws.client("secretsmanager").create_secret(Name="playback-keys", SecretString='{"keys": []}')
    monkeypatch.setenv("PLAYBACK_KEYS_SECRET", "playback-keys")
    monkeypatch.setenv("EDGE_KEYS_NAME", "headwater-test")
    real = aws.client
    monkeypatch.setattr(
        "headwater.adapters.edge_keys.aws.client", lambda service: made if service == "cloudfront" else real(service)
    )
    monkeypatch.setattr("headwater.adapters.deployment_requests._tell", lambda address, body: None)
    yield made


def ask(request: str) -> dict[str, Any]:
    ids = {
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "l",
        "ResponseURL": "https://x",
        "RequestType": request,
    }
    told = handler(ids, None)
    assert told["Status"] == "SUCCESS", told
    return told


def test_whatever_key_signs_is_in_the_group_and_an_old_one_goes_in_the_end(
    cloudfront: CloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [int(time.time())]
    monkeypatch.setattr("functions.playback_keys.put_in_place.time.time", lambda: clock[0])
    first = ask("Create")
    assert ask("Update")["Data"] == first["Data"], "done again, it changes nothing"
    [group_id] = cloudfront.groups
    assert first["Data"] == {"KeyGroupId": group_id}
    stream_id = StreamId(new_id())

    def opened_by_the_group() -> str:
        signer = MediaSigner(SigningKeyRing("playback-keys").read, CDN, lambda: clock[0])
        access = signer.sign(stream_id, Audience.VIEWERS)
        held = {each: cloudfront.keys[each]["EncodedKey"] for each in cloudfront.groups[group_id]["Items"]}
        assert is_signed(f"{CDN}/private/{stream_id}/live.m3u8", access.query, "", held, clock[0])
        return access.cookies["CloudFront-Key-Pair-Id"]

    one = opened_by_the_group()
    handler({"action": "rotate"}, None)
    assert opened_by_the_group() == one
    clock[0] += PUBLISHED_BEFORE_USE_SECONDS
    two = opened_by_the_group()
    assert two != one
    clock[0] += KEPT_AFTER_USE_SECONDS
    handler({"action": "rotate"}, None)
    assert one not in cloudfront.keys
    assert opened_by_the_group() == two
    ask("Delete")
    assert cloudfront.groups == {}
    assert [each["Name"] for each in cloudfront.keys.values()] == ["somebody-elses"]
    assert SigningKeyRing("playback-keys").read() == ()
