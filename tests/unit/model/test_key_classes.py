"""Which fields decide a result, which only shape the next attempt, and which do neither."""

import pytest

from trimtab.model.base import KEY_CLASS
from trimtab.model.fields import field_at
from trimtab.model.load import KINDS

CLASSES = {
    "result": """
        spec.dataset.source spec.code.source spec.training.entryPoint spec.training.framework.name
        spec.training.framework.version spec.training.image spec.training.files spec.training.distribution
        spec.training.hyperparameters spec.training.metrics spec.training.trigger spec.training.tuning.ranges
        spec.image.dockerfile spec.image.packaging spec.serving.files spec.serving.resources.cpu
        spec.serving.resources.memory spec.serving.resources.gpu
        spec.serving.env spec.serving.bindings.secret spec.serving.volumes.path
    """,
    "run": """
        spec.training.instances.type spec.training.instances.count spec.training.instances.fallback
        spec.training.spot.enabled spec.training.limits.runtime spec.training.tuning.maxParallelJobs spec.image.builder
    """,
    "none": """
        metadata.name metadata.labels spec.environmentRef.name spec.dataset.pin spec.evaluation.gates.atLeast
        spec.evaluation.gates.atMost spec.evaluation.champion.toleratedLoss
        spec.evaluation.entryPoint spec.serving.replicas.min
        spec.serving.replicas.max spec.serving.replicas.schedule.cron spec.serving.replicas.steps.above.add
        spec.serving.rollout.strategy spec.serving.rollout.alarms spec.serving.rollout.bake
        spec.serving.gateway.auth spec.serving.gateway.throttle.rate spec.serving.gateway.cors.allowOrigins
        spec.serving.bindings.onRotation spec.monitoring.action spec.policy.drift spec.policy.deletion
        spec.policy.adoption spec.revisionHistoryLimit spec.suspend
    """,
}
ENVIRONMENT = {
    "spec.roles.training": "run",
    "spec.roles.execution": "result",
    "spec.roles.task": "result",
    "spec.tags": "none",
    "spec.logs.retentionDays": "none",
    "spec.network.subnets": "run",
}
CASES = [("ModelDeployment", path, each) for each, paths in CLASSES.items() for path in paths.split()]


@pytest.mark.parametrize(
    ("kind", "path", "key_class"), [*CASES, *(("Environment", path, each) for path, each in ENVIRONMENT.items())]
)
def test_a_field_is_of_its_class(kind, path, key_class):
    info = field_at(KINDS[kind], path)
    assert info is not None
    assert info.json_schema_extra[KEY_CLASS] == key_class
