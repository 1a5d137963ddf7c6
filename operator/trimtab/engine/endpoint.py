"""How a client reaches a deployment: its URL and its key, read from API Gateway."""

from typing import Any

from trimtab.core.errors import UserError
from trimtab.core.kind import Call
from trimtab.graph.node import Graph
from trimtab.model.environment import Environment
from trimtab.plan.snapshot import Found, Snapshot

API, STAGE, KEY = "apigateway.RestApi/api", "apigateway.Stage/stage", "apigateway.ApiKey/key"


def url_of(graph: Graph, snapshot: Snapshot, environment: Environment) -> str:
    """The public URL, or "" while there is none."""
    api, stage = snapshot.seen.get(API), graph.nodes.get(STAGE)
    if not isinstance(api, Found) or stage is None:
        return ""
    spec = environment.spec
    template = spec.gateway.invoke_url or "https://{api}.execute-api.{region}.amazonaws.com/{stage}"
    return template.format(api=api.observed.id, stage=stage.desired.name, region=spec.region)


def way_in(name: str, view: Any, aws: Any, environment: Environment) -> tuple[str, str | None]:
    """URL and key of the deployment of that name. Raises UserError while it has none."""
    url, key = url_of(view.graph, view.snapshot, environment), key_of(view, aws)
    if not url:
        raise UserError(
            f"{name} has no endpoint yet", code="TT3007", reason="NotReady", fix="wait until the deployment is ready"
        )
    return url, key


def key_of(view: Any, aws: Any) -> str | None:
    """The key's value, or None where the endpoint needs none. It is shown to who asks and kept nowhere."""
    if KEY not in view.graph.nodes:
        return None
    key = view.snapshot.seen[KEY]
    if not isinstance(key, Found):
        raise UserError(
            "there is no API key yet", code="TT3007", reason="NotReady", fix="wait until the deployment is ready"
        )
    return aws.make(Call("apigateway", "GetApiKey", {"apiKey": key.observed.id, "includeValue": True}, secret=True))["value"]
