"""The API names the kinds that are there."""

from typing import get_args

from trimtab.model.deployment import KindName
from trimtab.resources import KINDS


def test_the_kinds_that_a_policy_may_name_are_those_that_exist():
    assert set(get_args(KindName)) == set(KINDS)
