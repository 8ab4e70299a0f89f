"""Personal access tokens: their form, by which a scanner knows a leaked one."""

from __future__ import annotations

import re
import string

from functions.api.scopes import SCOPE_OF
from headwater.domain.personal_tokens import Scope, is_personal_token, is_well_formed, new_personal_token


def test_a_new_token_is_recognised_by_its_prefix_and_its_checksum() -> None:
    token = new_personal_token()
    assert re.fullmatch(r"hwp_[0-9A-Za-z]{38}", token)
    assert is_personal_token(token)
    assert is_well_formed(token)


def test_the_checksum_is_what_the_documentation_says() -> None:
    # CRC-32 of the 32 characters, in base 62 with 0-9A-Za-z, most significant digit first.
    assert is_well_formed("hwp_" + "0" * 32 + "2wjyrI")


def test_any_one_character_that_differs_makes_it_no_token() -> None:
    token = new_personal_token()
    for place in range(len("hwp_"), len(token)):
        other = next(each for each in string.ascii_letters if each != token[place])
        assert not is_well_formed(token[:place] + other + token[place + 1 :])
    assert not is_well_formed(token + "0")
    assert not is_well_formed(token[:-1] + "é")


def test_every_scope_opens_something() -> None:
    assert set(SCOPE_OF.values()) == set(Scope)
