"""Fields whose part is not built yet are refused, and say so: nothing in a document is ever ignored."""

from collections.abc import Callable, Iterator
from typing import Any

from trimtab.core.errors import UserError
from trimtab.model.base import Model
from trimtab.model.deployment import ModelDeployment
from trimtab.model.fields import field_at
from trimtab.model.load import Document
from trimtab.model.mistakes import near
from trimtab.model.operator import OperatorConfig
from trimtab.model.training import Evaluation

FRAMEWORKS = ("pytorch", "sklearn")

# (field, whether it asks for what is not built, what is not built)
_Rule = tuple[str, Callable[[Any], bool], str]


def refuse_unbuilt(document: Document) -> list[UserError]:
    """Every use of what is not built yet, at its place. Defaults are never among them."""
    if isinstance(document.value, OperatorConfig):
        return []
    rules = _DEPLOYMENT if isinstance(document.value, ModelDeployment) else _ENVIRONMENT
    return [
        UserError(
            f"{what} is not built yet",
            position=document.positions.of(path),
            code="TT1100",
            reason="NotBuiltYet",
            fix=_without(type(document.value), path),
        )
        for path, asks, what in rules
        if asks(document.value.spec)
    ] + list(_framework(document))


def _without(model: type[Model], path: str) -> str:
    info = field_at(model, path)
    default = info.default if info and isinstance(info.default, (str, int, float)) else None
    shown = str(default).lower() if isinstance(default, bool) else default
    return "leave it out for now" + (f" ({shown} is the default)" if default is not None else "")


def _framework(document: Document) -> Iterator[UserError]:
    if not isinstance(document.value, ModelDeployment) or document.value.spec.training is None:
        return
    framework = document.value.spec.training.framework
    if framework and framework.name not in FRAMEWORKS:
        yield UserError(
            f"training with {framework.name} is not built yet; there is {', '.join(FRAMEWORKS)}"
            f"{near(framework.name, FRAMEWORKS)}",
            position=document.positions.of("spec.training.framework.name"),
            code="TT1100",
            reason="NotBuiltYet",
            fix=f"use {' or '.join(FRAMEWORKS)}, or training.image with an image of your own",
        )


def _from_git(source: str) -> bool:
    return not source.startswith("s3://") and ("://" in source or source.startswith("git@"))


_DEPLOYMENT: tuple[_Rule, ...] = (
    (
        "spec.dataset.source",
        lambda spec: bool(spec.dataset and _from_git(spec.dataset.source)),
        "a dataset that is neither a folder nor in S3",
    ),
    ("spec.dataset", lambda spec: bool(spec.dataset and spec.model), "a dataset beside a model that needs no training"),
    ("spec.dataset.pin", lambda spec: bool(spec.dataset and spec.dataset.pin != "copy"), "pin: verify"),
    ("spec.code.source", lambda spec: bool(spec.code and _from_git(spec.code.source)), "code from Git"),
    (
        "spec.model.source",
        lambda spec: bool(spec.model and spec.model.source and _from_git(spec.model.source)),
        "a model that is neither a folder nor in S3",
    ),
    (
        "spec.training.instances.count",
        lambda spec: bool(spec.training and spec.training.instances.count > 1),
        "training on several hosts",
    ),
    (
        "spec.training.distribution",
        lambda spec: bool(spec.training and spec.training.distribution != "none"),
        "distributed training",
    ),
    ("spec.training.spot.enabled", lambda spec: bool(spec.training and spec.training.spot.enabled), "spot training"),
    ("spec.training.tuning", lambda spec: bool(spec.training and spec.training.tuning), "tuning"),
    (
        "spec.evaluation.entryPoint",
        lambda spec: bool(spec.model and spec.evaluation.entry_point != Evaluation().entry_point),
        "evaluating a champion again for a model that is not trained here",
    ),
    ("spec.image.builder", lambda spec: spec.image.builder not in ("auto", "layers"), "this image builder"),
    ("spec.image.packaging", lambda spec: spec.image.packaging != "baked", "packaging: fetched"),
    ("spec.serving.target", lambda spec: spec.serving.target != "ecs", "this target"),
    ("spec.serving.resources.gpu", lambda spec: spec.serving.resources.gpu > 0, "serving on GPUs"),
    ("spec.serving.rollout.strategy", lambda spec: spec.serving.rollout.strategy != "rolling", "this rollout strategy"),
    ("spec.serving.gateway.auth", lambda spec: spec.serving.gateway.auth in ("iam", "jwt"), "this kind of auth"),
    ("spec.serving.gateway.domain", lambda spec: spec.serving.gateway.domain is not None, "a domain of its own"),
    (
        "spec.serving.gateway.keySecret",
        lambda spec: spec.serving.gateway.key_secret is not None,
        "copying the key into a secret",
    ),
    ("spec.serving.volumes", lambda spec: bool(spec.serving.volumes), "mounting volumes"),
    ("spec.serving.bindings", lambda spec: bool(spec.serving.bindings), "binding secrets and databases"),
    ("spec.monitoring.capture.percent", lambda spec: spec.monitoring.capture.percent > 0, "capture"),
    ("spec.monitoring.drift.enabled", lambda spec: spec.monitoring.drift.enabled, "watching for drift of the data"),
    ("spec.monitoring.action", lambda spec: spec.monitoring.action != "alert", "this action"),
)

_ENVIRONMENT: tuple[_Rule, ...] = (
    ("spec.assumeRoles", lambda spec: bool(spec.assume_roles), "taking a role for a namespace"),
    ("spec.ecs.cluster", lambda spec: spec.ecs.cluster is not None, "a cluster of one's own"),
    ("spec.ecs.capacityProviders", lambda spec: bool(spec.ecs.capacity_providers), "choosing capacity providers"),
    ("spec.network.vpcLink", lambda spec: spec.network.vpc_link is not None, "a VPC link of one's own"),
    ("spec.kmsKey", lambda spec: spec.kms_key is not None, "encryption with a key of one's own"),
    (
        "spec.network.loadBalancer.kind",
        lambda spec: spec.network.load_balancer.kind != "shared",
        "a load balancer for each deployment",
    ),
    ("spec.gateway.certificate", lambda spec: spec.gateway.certificate is not None, "a certificate of one's own"),
    ("spec.gateway.domain", lambda spec: spec.gateway.domain is not None, "naming endpoints under a domain"),
    ("spec.kubernetes", lambda spec: spec.kubernetes is not None, "Kubernetes"),
    ("spec.namespaces", lambda spec: bool(spec.namespaces), "limiting an environment to namespaces"),
)
