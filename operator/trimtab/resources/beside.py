"""Rights of the calls that belong to no kind: the ledger, the proof of a release, causes, and what single commands read.

Those of an operator's queues are the queue's own policy: docs/tasks/wake.md.
"""

from collections.abc import Mapping
from types import MappingProxyType

from trimtab.core.kind import Right
from trimtab.resources import ecs_last_words, ecs_rotation, trail
from trimtab.resources.shared import allow

BESIDE: Mapping[str, tuple[Right, ...]] = MappingProxyType(
    {
        "ledger": allow("arn:{partition}:s3:::{state}", "s3:ListBucket")
        + allow("arn:{partition}:s3:::{state}/*", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        "proof": ecs_rotation.RIGHTS,
        "last words of a release": ecs_last_words.RIGHTS,
        "who changed what": trail.RIGHTS,
        "logs": allow("arn:{partition}:logs:{region}:{account}:log-group:/trimtab/*", "logs:FilterLogEvents")
        + allow("arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/*", "logs:FilterLogEvents"),
        "orphans": allow("*", "tag:GetResources"),
    }
)
