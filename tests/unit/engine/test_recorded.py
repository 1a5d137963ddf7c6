"""What the ledger records of resources."""

from dataclasses import dataclass

from trimtab.engine.ledger import Resource
from trimtab.engine.recorded import are_tags_recorded, tags_digest
from trimtab.graph.node import Node

JOB, KIND = "sagemaker.TrainingJob/training", "sagemaker.TrainingJob"


@dataclass(frozen=True)
class Desired:
    name: str
    tags: dict[str, str]


def job(name: str, tags: dict[str, str], key: str) -> Node:
    return Node(JOB, "training", Desired(name, tags), key=key)


def test_tags_are_recorded_for_each_generation_of_a_node():
    first, second = job("a", {"key": "1"}, "1"), job("b", {"key": "2"}, "2")
    known = [Resource(JOB, KIND, node.desired.name, node.key or "", tags=tags_digest(node)) for node in (second, first)]
    assert are_tags_recorded(first, known)
    assert are_tags_recorded(second, known)
    assert not are_tags_recorded(second, known[1:])
    assert not are_tags_recorded(job("a", {"key": "3"}, "1"), known)
