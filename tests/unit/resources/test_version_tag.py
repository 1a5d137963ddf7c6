"""The tag that says which commit made a thing: given by the create alone, and never a difference."""

from dataclasses import replace
from typing import Any

import pytest

from trimtab.core.kind import VERSION, Difference
from trimtab.graph.node import Node
from trimtab.plan.drift import settled_digest
from trimtab.resources import KINDS
from unit.resources.samples import KEYED, SAMPLES, absent
from unit.resources.support import drive

COMMIT = "5d41402abc4b2a76b9719d911017c592ae5d4140"
JOBS = ("sagemaker.TrainingJob", "sagemaker.ProcessingJob")
NAMES = ("ecs.TaskDefinition", *JOBS)
NOTHING = {each: absent(each) for each in ("DescribeTrainingJob", "DescribeProcessingJob")}


def given(name: str, version: str) -> dict[str, str]:
    """The tags of a create."""
    calls, _ = drive(KINDS[name].create(replace(SAMPLES[name].desired, version=version)), NOTHING)
    arguments: dict[str, Any] = {key.lower(): value for key, value in calls[-1].arguments.items()}
    pairs = [{key.lower(): value for key, value in each.items()} for each in arguments["tags"]]
    return {each["key"]: each["value"] for each in pairs}


@pytest.mark.parametrize("name", NAMES)
def test_a_create_says_which_commit_it_is_for(name):
    assert given(name, COMMIT) == {**KEYED, VERSION: COMMIT}
    assert given(name, "") == KEYED


@pytest.mark.parametrize("name", NAMES)
def test_another_commit_that_says_the_same_declares_the_same(name):
    desired = SAMPLES[name].desired
    later = replace(desired, version=COMMIT)
    assert later == desired
    assert settled_digest(Node(f"{name}/x", "release", later)) == settled_digest(Node(f"{name}/x", "release", desired))
    _, seen = drive(KINDS[name].observe([KINDS[name].identity(desired)]), SAMPLES[name].answers)
    assert KINDS[name].diff(later, seen[KINDS[name].identity(desired)]) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_repair_of_tags_leaves_that_of_the_commit_as_it_is(name):
    desired = replace(SAMPLES[name].desired, version=COMMIT)
    _, seen = drive(KINDS[name].observe([KINDS[name].identity(desired)]), SAMPLES[name].answers)
    drift = [Difference("tags", have={}, want=dict(desired.tags))]
    calls, _ = drive(KINDS[name].update(desired, seen[KINDS[name].identity(desired)], drift))
    assert calls
    assert VERSION not in str(calls)
