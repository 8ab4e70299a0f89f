"""Before stage 6 · what the maker of playback keys reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class PlaybackKeysSettings(EnvironmentSettings, frozen=True, kw_only=True):
    playback_keys_secret: str
    edge_keys_name: str = ""  # what this deployment's keys and their group are called at CloudFront, where it has one
