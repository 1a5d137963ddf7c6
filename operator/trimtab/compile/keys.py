"""The generation keys of a document: which edit makes which stage new.

A key holds `result` fields as canonical document values, defaults left out; run fields (instances, limits, roles, network,
tags) and the environment's are in none but where they change what runs.
"""

from collections.abc import Mapping
from typing import Any

from trimtab.compile.facts import Facts
from trimtab.graph.keys import generation_key
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment


def generation_keys(deployment: ModelDeployment, environment: Environment, facts: Facts) -> dict[str, str]:
    """Keys by stage: "dataset", "training", and, once the model is known, "image" and "release"."""
    spec, declared = deployment.spec, deployment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    keys = {"dataset": facts.digests.dataset}
    training: Mapping[str, Any] = declared.get("training", {})
    fields = {
        "entryPoint": training.get("entryPoint"),
        "framework": training.get("framework"),
        "image": training.get("image"),
        "distribution": training.get("distribution"),
        "hyperparameters": _as_text(spec.training.hyperparameters) if spec.training else None,
        "metrics": training.get("metrics"),
        "trigger": training.get("trigger"),
        "tuning": training.get("tuning"),
        "base": facts.pins["training"].digest,
    }
    parents = {"dataset": facts.digests.dataset, "code": facts.digests.training}
    plain = generation_key("training", fields, parents)
    # Asked for by a person, of this very generation: going back to an earlier document finds what was trained for it.
    ordinal = facts.ordinals.get(plain)
    keys["training"] = generation_key("training", fields | {"ordinal": ordinal}, parents) if ordinal else plain
    artifact = facts.artifacts.get(keys["training"])
    if artifact is None:
        return keys
    image: Mapping[str, Any] = declared.get("image", {})
    baked = spec.image.packaging == "baked"
    model = {"training": keys["training"], "artifact": artifact["digest"]}
    keys["image"] = generation_key(
        "image",
        {
            "packaging": image.get("packaging"),
            "dockerfile": facts.digests.dockerfile,
            "base": facts.pins["serving"].digest,
            "launcher": facts.pins["launcher"].digest,
        },
        {"code": facts.digests.serving} | (model if baked else {}),
    )
    serving: Mapping[str, Any] = declared.get("serving", {})
    keys["release"] = generation_key(
        "release",
        {
            "resources": serving.get("resources"),
            "env": serving.get("env"),
            "bindings": serving.get("bindings"),
            "volumes": serving.get("volumes"),
            "roles": roles_text(environment),
        },
        {"image": keys["image"]} | model,
    )
    return keys


def roles_text(environment: Environment) -> dict[str, str] | str:
    """The roles that a running task carries, as the environment names them."""
    roles = environment.spec.roles
    return roles if isinstance(roles, str) else {"execution": roles.execution, "task": roles.task or ""}


def _as_text(hyperparameters: Mapping[str, Any]) -> dict[str, str]:
    """As the job gets them: 8, 8.0 and "8" are one value."""
    return {name: hyperparameter_text(value) for name, value in sorted(hyperparameters.items())}


def hyperparameter_text(value: str | float | bool) -> str:
    """How SageMaker is given a value: everything is text; booleans as JSON writes them, whole floats without ".0"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
