"""Where workers reach an ingest node."""

from __future__ import annotations

import pytest

from headwater.settings import load_settings
from rtmp_ingest.settings import Settings
from rtmp_ingest.task_address import pull_base
from tests.unit.ingest.test_nginx_conf import ENVIRONMENT


def test_a_given_pull_base_is_used_as_it_is() -> None:
    settings = load_settings(Settings, {**ENVIRONMENT, "PULL_BASE": "http://10.0.3.7:1936/sources/"})
    assert pull_base(settings) == "http://10.0.3.7:1936/sources"


def test_without_one_and_without_a_task_the_node_refuses_to_start() -> None:
    with pytest.raises(LookupError):
        pull_base(load_settings(Settings, ENVIRONMENT))


def test_a_metadata_address_that_is_not_http_is_refused() -> None:
    with pytest.raises(LookupError):
        pull_base(load_settings(Settings, {**ENVIRONMENT, "ECS_CONTAINER_METADATA_URI_V4": "file:///etc/passwd"}))
