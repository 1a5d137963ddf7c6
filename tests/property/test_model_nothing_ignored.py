"""No field of a document is ever ignored: each is refused as not built yet, or changes what is compiled."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from samples_compile import DOCUMENT, ENVIRONMENT, FACTS, graph
from trimtab.compile.facts import ServingModel
from trimtab.model.fields import all_fields, is_open, model_in
from trimtab.model.load import KINDS, load
from trimtab.model.unbuilt import refuse_unbuilt

# One value for each field of the spec that is not its default, and what must stand beside it to be valid.
ROLES = {f"{each}": f"arn:aws:iam::123456789012:role/{each}" for each in ("training", "execution", "task")}
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s"
TUNING = {"objective": {"metric": "loss"}, "ranges": {"rate": {"min": 0, "max": 1}}}
DEPLOYMENT: dict[str, Any] = {
    "environmentRef": {"name": "other"},
    "dataset.source": "https://git.example.com/data.git",
    "dataset.pin": "verify",
    "code.source": "https://git.example.com/a.git@v1",
    "training.entryPoint": "fit.py",
    "training.framework": {"name": "pytorch", "version": "3.x"},
    "training.framework.name": "tensorflow",
    "training.framework.version": "3.x",
    "training.files": ["**"],
    "training.instances.type": "ml.c5.xlarge",
    "training.instances.count": 2,
    "training.instances.fallback": ["ml.c5.xlarge"],
    "training.distribution": "torchrun",
    "training.hyperparameters": {"epochs": 9},
    "training.metrics": {"loss": "loss=([0-9.]+)"},
    "training.spot.enabled": True,
    "training.limits.runtime": "1h",
    "training.trigger": "again",
    "training.tuning": TUNING,
    "evaluation.gates": [{"metric": "test:accuracy", "atMost": 0.5}],
    "evaluation.champion": {"metric": "test:accuracy", "toleratedLoss": 0.1},
    "image.builder": "docker",
    "image.packaging": "fetched",
    "serving.target": "sagemaker",
    "serving.resources": {"cpu": 1, "memory": "2Gi"},
    "serving.resources.memory": "2Gi",
    "serving.resources.gpu": 1,
    "serving.env": {"LOG_LEVEL": "info"},
    "serving.replicas.min": 3,
    "serving.replicas.max": 4,
    "serving.replicas": {"min": 2, "max": 4, "target": {"metric": "memory", "value": 50}},
    "serving": {"replicas": {"min": 2, "max": 4, "steps": {"above": [{"at": 70, "add": 1}]}}},
    "serving.replicas.schedule": [{"name": "day", "cron": "0 8 * * ? *", "min": 4, "max": 4}],
    "serving.rollout.strategy": "blueGreen",
    "serving.rollout.alarms": ["errors"],
    "serving.rollout.bake": "5m",
    "serving.gateway.auth": "none",
    "serving.gateway.throttle.rate": 7,
    "serving.gateway.throttle.burst": 7,
    "serving.gateway.cors.allowOrigins": ["https://example.com"],
    "serving.gateway.domain": "digits.example.com",
    "serving.gateway.keySecret": "digits/key",
    "serving.volumes": [{"accessPoint": ARN, "path": "/mnt/a"}],
    "serving.bindings": [{"name": "TOKEN", "secret": ARN}],
    "monitoring.capture.percent": 10,
    "monitoring.drift.enabled": True,
    "monitoring.action": "rollback",
    "suspend": True,
}
ENVIRONMENT_FIELDS: dict[str, Any] = {
    "account": "210987654321",
    "region": "eu-west-1",
    "roles": ROLES,
    "permissionsBoundary": "arn:aws:iam::123456789012:policy/boundary",
    "assumeRoles": [{"namespace": "vision", "role": ROLES["task"]}],
    "buckets.data": "other-bucket",
    "kmsKey": "arn:aws:kms:us-east-1:123456789012:key/1",
    "logs.retentionDays": 90,
    "ecs.cluster": "platform",
    "ecs.capacityProviders": [{"name": "FARGATE_SPOT"}],
    "network.vpc": "vpc-2",
    "network.subnets": ["subnet-3", "subnet-4"],
    "network.securityGroups": {"tasks": ["sg-3"], "loadBalancer": ["sg-4"]},
    "network.securityGroups.tasks": ["sg-3"],
    "network.securityGroups.loadBalancer": ["sg-3"],
    "network.loadBalancer.kind": "own",
    "network.loadBalancer.port": 8080,
    "network.vpcLink": "a1b2c3",
    "gateway.certificate": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "kubernetes": {"context": "c"},
    "tags": {"team": "vision"},
    "namespaces": ["vision"],
}

SERVING = replace(FACTS, serving_model=ServingModel("sha256:other", "sha256:2", {"test:accuracy": 0.9}))

# Fields that are not compiled on purpose, and where each takes effect.
ELSEWHERE = {
    "ModelDeployment": {
        "environmentRef": "which Environment is compiled with",
        "training.files": "the digest of the training code",
        "training.image": "compiled in place of a framework",
        "serving.files": "the digest of the serving code",
        "evaluation.entryPoint": "the script whose digest is taken, and whose job runs where a champion must be met",
        "image.dockerfile": "its content's digest",
        "serving.gateway.kind": "has one choice",
        "serving.rollout.bake": "when a release that serves counts",
        "model": "compiled in place of training",
        "policy.adoption": "what is there already and not ours",
        "policy.deletion": "what a deletion leaves",
        "policy.drift": "how a difference is decided on",
        "policy.driftByKind": "how a difference is decided on",
        "policy.ignore": "how a difference is decided on",
        "revisionHistoryLimit": "what is collected",
        "suspend": "whether anything is done",
    },
    "Environment": {
        "buckets.state": "where ledgers are kept",
        "images.training": "pins: the digest behind a tag",
        "images.serving": "pins: the digest behind a tag",
        "gateway.invokeUrl": "the URL that is shown and called",
        "gateway.domain": "refused, with its certificate",
        "takeOver": "what a deployment may take over",
    },
}


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    *parents, last = path.split(".")
    node = changed["spec"]
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = value
    return changed


def is_refused(document: dict[str, Any]) -> bool:
    return bool(refuse_unbuilt(load(json.dumps(document).encode(), "d")[0]))


def test_the_documents_themselves_are_built():
    assert not is_refused(DOCUMENT)
    assert not is_refused(ENVIRONMENT)


@pytest.mark.parametrize(
    ("path", "value"), [case for case in DEPLOYMENT.items() if case[0] not in ELSEWHERE["ModelDeployment"]]
)
def test_a_field_of_a_deployment_is_refused_or_compiled(path, value):
    changed = put(DOCUMENT, path, value)
    assert is_refused(changed) or graph(changed, facts=SERVING) != graph(facts=SERVING)


@pytest.mark.parametrize(("path", "value"), ENVIRONMENT_FIELDS.items())
def test_a_field_of_an_environment_is_refused_or_compiled(path, value):
    changed = put(ENVIRONMENT, path, value)
    assert is_refused(changed) or graph(environment=changed) != graph()


@pytest.mark.parametrize(("kind", "tried"), [("ModelDeployment", DEPLOYMENT), ("Environment", ENVIRONMENT_FIELDS)])
def test_every_field_is_among_those_tried(kind, tried):
    known = [*tried, *ELSEWHERE[kind]]
    for path, info in all_fields(KINDS[kind]):
        field = path.removeprefix("spec.")
        has_fields = model_in(info.annotation) is not None and not is_open(info.annotation)
        if not path.startswith("spec.") or (has_fields and field not in known):
            continue
        assert any(field == each or field.startswith(f"{each}.") for each in known), path
