"""docs/deploy.md is followed by people who have nothing else: what it names has to be there."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from infra.config.stage import Stage
from infra.config.stages import ON_AWS
from tests.templates import ROOT

GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL))
SUFFIXES = (".py", ".toml", ".md", ".sh", "Dockerfile", "/")


def areas(shape: Any) -> Iterator[Any]:
    """The kinds of values that a field may have, if they are tables."""
    options = typing.get_args(shape) if isinstance(shape, types.UnionType) else (shape,)
    return (each for each in options if dataclasses.is_dataclass(each))


def is_setting(name: str) -> bool:
    """Whether `name` (`area.field`, or deeper) is a field of `Stage`."""
    shapes: list[Any] = [Stage]
    for part in name.split("."):
        hints = [typing.get_type_hints(shape) for shape in shapes]
        found = [each[part] for each in hints if part in each]
        if not found:
            return False
        shapes = [area for each in found for area in areas(each)]
    return True


AREAS = {each.name for each in dataclasses.fields(Stage)}


def settings() -> list[str]:
    plain = [span.partition(" = ")[0] for span in SPANS]
    return sorted(
        {name for name in plain if re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", name) and name.split(".")[0] in AREAS}
    )


def files() -> list[str]:
    named = {
        span for span in SPANS if span.endswith(SUFFIXES) and " " not in span and not span.startswith(("/", "*", "my."))
    }
    return sorted(named | set(re.findall(r"infra/[\w/.]+\.toml", "".join(BLOCKS))))


def test_the_guide_is_read_at_all() -> None:
    assert len(BLOCKS) >= 5
    assert {"database.secret_arn", "database.backup_days", "mail_sender"} <= set(settings())
    assert "infra/config/network.py" in files()


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_one(name: str) -> None:
    assert is_setting(name)


def test_what_is_no_setting_would_be_noticed() -> None:
    assert not is_setting("database.backups")
    assert not is_setting("databases.backup_days")


@pytest.mark.parametrize("name", files())
def test_every_file_is_there(name: str) -> None:
    assert (ROOT / name).exists() or (ROOT / "docs" / name).exists()


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", GUIDE):
        if not target.startswith("https://"):
            assert (ROOT / "docs" / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in re.findall(r"^#+ (.*)$", GUIDE, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings


def test_every_make_target_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", "".join(BLOCKS))) | set(re.findall(r"`make ([a-z-]+)", GUIDE))
    assert {"setup", "synth"} <= named
    assert named <= targets


def test_commands_of_the_cdk_are_given_a_stage_and_settings() -> None:
    commands = [line for block in BLOCKS for line in block.splitlines() if "node_modules/.bin/cdk" in line]
    assert {command.split()[1] for command in commands} == {"bootstrap", "diff", "deploy", "destroy"}
    for command in commands:
        if "bootstrap" not in command:
            [stage] = re.findall(r"--context stage=(\w+)", command)
            assert stage in ON_AWS
            assert "--context settings=my.toml" in command


def test_every_output_is_put_out_by_the_stack_that_is_asked_for_it() -> None:
    asked = re.findall(r"(?:output|act) headwater-\w+-(\w+) (\w+)", GUIDE)
    assert asked
    for stack, output in asked:
        assert f'"{output}"' in (ROOT / "infra" / "stacks" / f"{stack}.py").read_text()
    for output in re.findall(r"`(\w+(?:Function|Arn))`", GUIDE):
        assert any(f'"{output}"' in path.read_text() for path in (ROOT / "infra" / "stacks").glob("*.py")), output


def test_settings_that_are_shown_are_toml_of_known_fields() -> None:
    for block in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL):
        for area, values in tomllib.loads(block).items():
            for name in values:
                assert is_setting(f"{area}.{name}")
