"""The rendered nginx.conf of an ingest node."""

from __future__ import annotations

import pytest

from headwater.settings import SettingsError, load_settings
from rtmp_ingest.nginx_conf import TEMPLATE, render
from rtmp_ingest.settings import Settings, parse_networks

ENVIRONMENT = {
    "RTMP_LISTEN": "127.0.0.1:1935",
    "PULL_LISTEN": "127.0.0.1:1936",
    "HOOKS_URL": "https://api.example.org/ingest/hooks/nginx-rtmp",
    "HOOK_SIGNING_KEY": "the secret that must stay in memory",
    "PULL_ALLOW": "10.0.0.0/16, 127.0.0.1/32",
    "STATE_DIR": "/var/lib/headwater",
}


def rendered(**changes: str) -> str:
    return render(load_settings(Settings, {**ENVIRONMENT, **changes}), TEMPLATE.read_text())


def test_nothing_is_left_to_fill_in_and_no_secret_is_in_it() -> None:
    text = rendered()
    assert "@" not in text.replace("@carry_on", "")
    assert ENVIRONMENT["HOOK_SIGNING_KEY"] not in text


def test_settings_do_not_print_their_secret() -> None:
    assert ENVIRONMENT["HOOK_SIGNING_KEY"] not in repr(load_settings(Settings, ENVIRONMENT))


def test_only_the_source_server_may_play() -> None:
    lines = [line.partition("#")[0].strip() for line in rendered().splitlines() if " play " in line]
    assert lines == ["allow play 127.0.0.1;", "deny play all;"]


def test_the_loopback_server_listens_on_loopback_whatever_rtmp_listens_on() -> None:
    listens = [line.split()[1] for line in rendered(RTMP_LISTEN="0.0.0.0:1935").splitlines() if " listen " in line]
    assert listens == ["0.0.0.0:1935", "127.0.0.1:14935;"]


def test_streams_are_neither_recorded_nor_relayed_nor_handed_to_programs() -> None:
    directives = {line.split()[0] for line in rendered().splitlines() if line.strip()}
    assert not {d for d in directives if d.startswith(("exec", "record", "push", "pull", "hls", "dash"))}


@pytest.mark.parametrize("networks", ["all; } }", "everyone", "10.0.0.0/33", "10.0.0.0/8,", "10.0.0.1/8"])
def test_what_is_not_a_network_is_refused(networks: str) -> None:
    with pytest.raises(ValueError):
        parse_networks(networks)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RTMP_LISTEN", "1935; include /etc/passwd"),
        ("PULL_LISTEN", "1936"),
        ("STATE_DIR", "/tmp/a b"),
        ("STATE_DIR", "relative"),
        ("LOOPBACK_PORT", "0"),
        ("LOOPBACK_PORT", "1935;"),
        ("HOOKS_URL", "ftp://example.org/"),
        ("HOOK_SIGNING_KEY", "short"),
        ("NGINX_RTMP_MODULE", "/x.so; user root"),
    ],
)
def test_a_malformed_setting_is_named_and_never_quoted(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        rendered(**{name: value})
    assert name in str(refused.value)
    assert value not in str(refused.value)
