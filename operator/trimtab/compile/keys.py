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
from trimtab.model.training import Training


def generation_keys(deployment: ModelDeployment, environment: Environment, facts: Facts) -> dict[str, str]:
    """Keys by stage: "dataset", "training" (what the model comes from), and, once it is known, "image" and "release"."""
    spec, declared = deployment.spec, deployment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    keys = _model_keys(declared, spec.training, facts)
    artifact = artifact_of(keys, facts)
    if not artifact:
        return keys
    image: Mapping[str, Any] = declared.get("image", {})
    baked = spec.image.packaging == "baked"
    model = {"training": keys["training"], "artifact": artifact}
    values = {
        "packaging": image.get("packaging"),
        "dockerfile": facts.digests.dockerfile,
        "base": facts.pins["serving"].digest,
    }
    if facts.digests.is_own_image:  # it holds nothing of ours; two Dockerfiles of one text may leave other files out
        values |= {"file": image.get("dockerfile")}
        keys["image"] = generation_key("image", values, model)
    else:
        values |= {"launcher": facts.pins["launcher"].digest}
        keys["image"] = generation_key("image", values, {"code": facts.digests.serving} | (model if baked else {}))
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


def evaluation_key(deployment: ModelDeployment, facts: Facts, champion: str, data: str) -> str:
    """Key of an evaluation of the champion: equal for the same model, data, code, script and image.

    champion, data: digests. Which metric is compared, and by how much, is the gate's.
    """
    fields = {
        "entryPoint": deployment.spec.evaluation.model_dump(by_alias=True, exclude_defaults=True).get("entryPoint"),
        "script": facts.digests.evaluation,
        "base": facts.pins["training"].digest,
    }
    return generation_key("evaluation", fields, {"model": champion, "data": data, "code": facts.digests.training})


def artifact_of(keys: Mapping[str, str], facts: Facts) -> str:
    """Digest of the model; "" until it is known: what is trained is known by what came of it."""
    return facts.digests.model or facts.artifacts.get(keys["training"], {}).get("digest", "")


def _model_keys(declared: Mapping[str, Any], training: Training | None, facts: Facts) -> dict[str, str]:
    if training is None:
        return {"training": generation_key("model", {}, {"model": facts.digests.model})}
    given: Mapping[str, Any] = declared["training"]
    fields = {
        "entryPoint": given.get("entryPoint"),
        "framework": given.get("framework"),
        "image": given.get("image"),
        "distribution": given.get("distribution"),
        "hyperparameters": _as_text(training.hyperparameters),
        "metrics": given.get("metrics"),
        "trigger": given.get("trigger"),
        "tuning": given.get("tuning"),
        "base": facts.pins["training"].digest,
    }
    parents = {"dataset": facts.digests.dataset, "code": facts.digests.training}
    plain = generation_key("training", fields, parents)
    # Asked for by a person, of this very generation: going back to an earlier document finds what was trained for it.
    ordinal = facts.ordinals.get(plain)
    key = generation_key("training", fields | {"ordinal": ordinal}, parents) if ordinal else plain
    return {"dataset": facts.digests.dataset, "training": key}


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
