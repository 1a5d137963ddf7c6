"""A document, an environment and facts, as plain values that tests edit."""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trimtab.compile.facts import Digests, Facts, Pin
from trimtab.compile.graph import compile_graph
from trimtab.graph.node import Graph
from trimtab.model.load import load

DOCUMENT: dict[str, Any] = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "digits", "namespace": "vision"},
    "spec": {
        "dataset": {"source": "./data"},
        "code": {"source": "./model"},
        "training": {
            "entryPoint": "train.py",
            "framework": {"name": "pytorch", "version": "2.x"},
            "hyperparameters": {"epochs": 8, "learning-rate": 0.001},
        },
        "evaluation": {"gates": [{"metric": "test:accuracy", "atLeast": 0.96}]},
        "serving": {"gateway": {"auth": "apiKey"}},
    },
}

ENVIRONMENT: dict[str, Any] = {
    "apiVersion": "trimtab.dev/v1alpha1",
    "kind": "Environment",
    "metadata": {"name": "local"},
    "spec": {
        "account": "123456789012",
        "region": "us-east-1",
        "roles": "managed",
        "buckets": {"state": "state-bucket", "data": "data-bucket"},
        "network": {
            "vpc": "vpc-1234",
            "subnets": ["subnet-1111", "subnet-2222"],
            "securityGroups": {"tasks": ["sg-1111"], "loadBalancer": ["sg-2222"]},
        },
        "images": {"training": {"pytorch": "127.0.0.1:4566/t/pytorch:2"}, "serving": "127.0.0.1:4566/t/python:3.11"},
    },
}

_DIGESTS = Digests("sha256:d", {"train": "sha256:1", "test": "sha256:2"}, "sha256:t", "sha256:s")
_PINS = {name: Pin(f"127.0.0.1:4566/t/{name}:2", f"sha256:{name}") for name in ("training", "serving", "launcher")}
FACTS = Facts("0123456789abcdef0123", "e" * 20, _DIGESTS, _PINS)


def spec(path: str, value: Any) -> dict[str, Any]:
    """DOCUMENT with one field of its spec set."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    place = document["spec"]
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = value
    return document


def environment(**fields: Any) -> dict[str, Any]:
    """ENVIRONMENT with fields of its spec set."""
    return {**ENVIRONMENT, "spec": {**ENVIRONMENT["spec"], **fields}}


def loaded(document: Mapping[str, Any]) -> Any:
    return load(json.dumps(document).encode(), "document.json")[0].value


def facts_with_model(
    facts: Facts,
    *,
    artifact: str = "sha256:model",
    document: Mapping[str, Any] = DOCUMENT,
    env: Mapping[str, Any] = ENVIRONMENT,
) -> Facts:
    """Facts in which the model of this very document is known."""
    key = compile_graph(loaded(document), loaded(env), replace(facts, artifacts={})).keys["training"]
    return replace(facts, artifacts={key: {"digest": artifact, "bytes": 1, "record": "r"}})


def graph(
    document: Mapping[str, Any] = DOCUMENT,
    environment: Mapping[str, Any] = ENVIRONMENT,
    facts: Facts = FACTS,
    *,
    known: bool = True,
) -> Graph:
    """The compiled graph; known: the model of this document is there already."""
    facts = facts_with_model(facts, document=document, env=environment) if known else facts
    return compile_graph(loaded(document), loaded(environment), facts)
