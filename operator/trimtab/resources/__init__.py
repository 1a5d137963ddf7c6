"""Every kind of outside resource, by name. A new kind adds its file and a line here."""

from collections.abc import Mapping
from types import MappingProxyType

from trimtab.core.kind import AnyKind
from trimtab.resources import (
    artifact,
    ecr_image,
    ecr_repository,
    gate,
    iam_role,
    log_group,
    s3_content,
    training_job,
)

_MODULES = (
    artifact,
    ecr_image,
    ecr_repository,
    gate,
    iam_role,
    log_group,
    s3_content,
    training_job,
)

KINDS: Mapping[str, AnyKind] = MappingProxyType({module.KIND.name: module.KIND for module in _MODULES})
