"""Gateway responses: what the headers of the gateway's own refusals are. They are edits of an API's OpenAPI document, too.

Source: Amazon API Gateway API, PutGatewayResponse; Developer Guide, "Gateway responses in API Gateway".
"""

from collections.abc import Mapping
from typing import Any

from trimtab.local.apigateway_execution import OWN_KINDS
from trimtab.local.apigateway_methods import GATEWAY_RESPONSES, Document, Parsers
from trimtab.local.apigateway_records import Api
from trimtab.local.apigateway_resources import Base, patched_or_refused
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

_TEMPLATE = {"application/json": '{"message":$context.error.messageString}'}
_PATCHES: Parsers = {"responseParameters": str}


class GatewayResponses(Base):
    def put_gateway_response(self, arguments: Arguments, context: Context) -> Reply:
        return self._keep(self.api(arguments["restApiId"]), arguments["responseType"], arguments)

    def get_gateway_response(self, arguments: Arguments, context: Context) -> Reply:
        return _shown(self.api(arguments["restApiId"]), arguments["responseType"])

    def get_gateway_responses(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        return {"items": [_shown(api, kind) for kind in OWN_KINDS]}

    def update_gateway_response(self, arguments: Arguments, context: Context) -> Reply:
        api, kind = self.api(arguments["restApiId"]), arguments["responseType"]
        return self._keep(api, kind, patched_or_refused(_responses(api).get(kind, {}), arguments, _PATCHES))

    def delete_gateway_response(self, arguments: Arguments, context: Context) -> Reply:
        api = self.api(arguments["restApiId"])
        if _responses(api).pop(arguments["responseType"], None) is None:
            raise ServiceError("NotFoundException", "Gateway response type not defined on api", 404)
        self.apis.put(api)
        return {}

    def _keep(self, api: Api, kind: str, given: Mapping[str, Any]) -> Document:
        members = ("statusCode", "responseParameters", "responseTemplates")
        new = {GATEWAY_RESPONSES: {kind: {name: given[name] for name in members if given.get(name)}}}
        self.check_body(new)
        _responses(api).update(new[GATEWAY_RESPONSES])
        self.apis.put(api)
        return _shown(api, kind)


def _responses(api: Api) -> dict[str, Document]:
    return api.body.setdefault(GATEWAY_RESPONSES, {})


def _shown(api: Api, kind: str) -> Document:
    own: Mapping[str, Document] = api.body.get(GATEWAY_RESPONSES, {})
    empty: Document = {"responseParameters": {}, "responseTemplates": {}}
    if kind in own:
        return {"responseType": kind, "defaultResponse": False, **empty, **own[kind]}
    return {"responseType": kind, "defaultResponse": True, **empty, "responseTemplates": dict(_TEMPLATE)}
