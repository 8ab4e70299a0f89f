"""What is said when a deployer's decisions cannot be carried out: before anything is deployed, and by the setting's name."""

from __future__ import annotations


class ConfigurationError(Exception):
    """A stage or one of its settings is unknown, missing or malformed. The message names it and what would be right."""
