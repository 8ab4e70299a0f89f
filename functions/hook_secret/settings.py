"""Before stage 1 · what the maker of the hooks' secrets reads from its environment."""

from __future__ import annotations

from headwater.settings import EnvironmentSettings


class HookSecretSettings(EnvironmentSettings, frozen=True, kw_only=True):
    hook_secret: str
    # The ECS service of the nodes; without one they come and go by themselves.
    ingest_cluster: str = ""
    ingest_service: str = ""
