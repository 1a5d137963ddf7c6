"""ModelDeployment + Environment + facts -> the desired graph. Pure."""

from trimtab.compile.context import Context
from trimtab.compile.evaluation import gate_node
from trimtab.compile.facts import Facts
from trimtab.compile.gateway import gateway_nodes
from trimtab.compile.keys import generation_keys
from trimtab.compile.names import Names
from trimtab.compile.serving import image_nodes, log_node, release_of, role_nodes
from trimtab.compile.training import content_nodes, training_nodes
from trimtab.core.errors import UserError
from trimtab.graph.node import Graph, graph_of
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.targets.ecs import ecs_nodes


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
        *training_nodes(context),
        gate_node(context),
        *image_nodes(context),
        log_node(context),
        *roles,
        *ecs_nodes(release),
        *gateway_nodes(context, release.names["host"]),
    )
    return graph_of(nodes, context.keys)


def image_texts(deployment: ModelDeployment, environment: Environment) -> dict[str, str]:
    """The images whose tags must be pinned: that of training, and the base of serving.

    Raises UserError when the environment names no image for the framework.
    """
    images, training = environment.spec.images, deployment.spec.training
    texts = {"serving": images.serving}
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
