"""The keys of private playback: made once, followed by the next without a gap, and told to the CDN by their public halves."""

from __future__ import annotations

import time

import pytest

from functions.playback_keys.handler import handler
from headwater.adapters import aws, secrets
from headwater.adapters.media_signer import MediaSigner
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.domain.ids import StreamId, new_id
from headwater.domain.media_access import Audience
from headwater.domain.signing_keys import KEPT_AFTER_USE_SECONDS, PUBLISHED_BEFORE_USE_SECONDS
from localrun.media_gate.signed_requests import is_signed
from tests.aws import Account

CDN = "https://cdn.example.org"


def test_whatever_key_signs_the_key_group_knows_it_and_an_old_one_goes_in_the_end(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.client("secretsmanager").create_secret(Name="playback-keys", SecretString='{"keys": []}')
    monkeypatch.setenv("PLAYBACK_KEYS_SECRET", "playback-keys")
    now = int(time.time())
    clock = [now]
    monkeypatch.setattr("functions.playback_keys.put_in_place.time.time", lambda: clock[0])
    stream_id = StreamId(new_id())
    url = f"{CDN}/private/{stream_id}/live.m3u8"

    def signed_with() -> str:
        signer = MediaSigner(SigningKeyRing("playback-keys").read, CDN, lambda: clock[0])
        access = signer.sign(stream_id, Audience.VIEWERS)
        group = handler({}, None)["keys"]
        assert all("PRIVATE" not in pem for pem in group.values())
        assert is_signed(url, access.query, "", group, clock[0])
        return access.cookies["CloudFront-Key-Pair-Id"]

    [first] = handler({}, None)["keys"]
    assert handler({}, None)["keys"].keys() == {first}
    assert signed_with() == first
    _, second = handler({"action": "rotate"}, None)["keys"]
    assert signed_with() == first  # until every edge knows the second
    clock[0] = now + PUBLISHED_BEFORE_USE_SECONDS
    assert signed_with() == second
    clock[0] += KEPT_AFTER_USE_SECONDS
    assert first not in handler({"action": "rotate"}, None)["keys"]
    leaked = set(handler({}, None)["keys"])
    [new] = handler({"action": "revoke"}, None)["keys"]
    assert new not in leaked
    assert signed_with() == new
    with pytest.raises(ValueError, match="ensure, rotate, revoke"):
        handler({"action": "forget"}, None)
    secrets.forget_secrets()
