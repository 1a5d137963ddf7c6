"""ModelDeployment + Environment + facts -> the desired graph. Pure."""

import re

from trimtab.compile.context import Context
from trimtab.compile.evaluation import evaluation_nodes
from trimtab.compile.facts import Facts
from trimtab.compile.gateway import gateway_nodes
from trimtab.compile.keys import generation_keys
from trimtab.compile.names import Names
from trimtab.compile.serving import image_nodes, log_node, release_of, role_nodes
from trimtab.compile.training import content_nodes, given_node, training_nodes
from trimtab.core.errors import UserError
from trimtab.graph.node import Graph, graph_of
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.targets.ecs import ecs_nodes
from trimtab_container.dockerfile import BASE_ARGUMENT

SERVING_BASE = f"${BASE_ARGUMENT}"  # in Digests.base: what the environment names, known only where it is deployed to
_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")


def compile_graph(deployment: ModelDeployment, environment: Environment, facts: Facts) -> Graph:
    """List everything that must exist for this document, with generation keys.

    facts.held: the release that a person rolled back to runs instead of the document's own; its model is made all the same.

    Below training, what a node is called depends on the model's digest; until that is known such a node is a placeholder
    (`known_after`). Raises ValueError for what only a bug of ours can produce: documents are checked before.
    """
    metadata = deployment.metadata
    names = Names(environment.metadata.name, facts.environment_uid, metadata.namespace, metadata.name, facts.uid)
    context = Context(deployment, environment, facts, names, generation_keys(deployment, environment, facts))
    roles, execution, task = role_nodes(context)
    release = release_of(context, execution, task)
    nodes = (
        *content_nodes(context),
        *(training_nodes(context) if deployment.spec.training else (given_node(context),)),
        *evaluation_nodes(context),
        *image_nodes(context),
        log_node(context),
        *roles,
        *ecs_nodes(release),
        *gateway_nodes(context, release.names["host"]),
    )
    return graph_of(nodes, context.keys)


def image_texts(deployment: ModelDeployment, environment: Environment, own_base: str = "") -> dict[str, str]:
    """The images whose tags must be pinned: that of training, and the base of serving.

    own_base: what FROM of the model's own Dockerfile says (Digests.base). Raises UserError when the environment names no
    image for the framework, or the Dockerfile one of a registry that no credentials are at hand for.
    """
    images, training = environment.spec.images, deployment.spec.training
    texts = {"serving": _own_base(own_base, images.serving) if own_base else images.serving}
    if training and training.image:
        texts["training"] = training.image
    elif training and training.framework:
        framework, name = training.framework.name, environment.metadata.name
        if framework not in images.training:
            there = " or ".join(sorted(images.training)) or "training.image"
            raise UserError(
                f"environment {name} names no training image for {framework}",
                code="TT3004",
                reason="ImageMissing",
                fix=f"add it to spec.images.training there, or use {there}",
            )
        texts["training"] = images.training[framework]
    return texts


def _own_base(written: str, serving: str) -> str:
    """FROM as the image that it names here, with a tag or digest."""
    text = written.replace(SERVING_BASE, serving)
    host, _, rest = text.partition("/")
    # The credentials at hand are ECR's: they are sent to no other registry.
    if not rest or (host != serving.partition("/")[0] and not _ECR.fullmatch(host)):
        raise UserError(
            f"FROM {text} of the model's Dockerfile names no image in ECR",
            code="TT3003",
            fix=f"push it to ECR and name it there, or use the environment's: ARG {BASE_ARGUMENT}, FROM ${BASE_ARGUMENT}",
        )
    return text if ":" in rest else f"{text}:latest"
