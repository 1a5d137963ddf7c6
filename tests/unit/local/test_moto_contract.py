"""What the local cloud relies on inside moto, a test for each name: an upgrade that moves one fails here, by name."""

import ast
import inspect
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import Headers, MultiDict

TOP = Path(__file__).resolve().parents[3]
LOCAL = TOP / "operator" / "trimtab" / "local"

# (module of moto, name): what the local cloud imports, and below which test stands for it.
RELIED_ON = {
    ("moto.core.parse", "PROTOCOL_PARSERS"),
    ("moto.core.serialize", "get_serializer_class"),
    ("moto.core.utils", "get_service_model"),
    ("moto.core", "responses"),
    ("moto.core.responses", "BaseResponse"),
    ("moto.core.responses", "EmptyResult"),
    ("moto", "backends"),
    ("moto.backends", "get_backend"),
    ("moto.ec2.models", "ec2_backends"),
    ("moto.iam", "responses"),
    ("moto.iam.models", "iam_backends"),
    ("moto.sts.models", "sts_backends"),
    ("moto.moto_api._internal", "mock_random"),
    ("moto.moto_api._internal.models", "moto_api_backend"),
    ("moto.moto_server", "werkzeug_app"),
    ("moto.s3", "models"),
}
# (name as imported, attribute): what the local cloud takes from a module of moto's as a whole.
ATTRIBUTES = {
    ("backends", "__file__"),
    ("backends", "list_of_moto_modules"),
    ("iam", "IamResponse"),
    ("moto_api_backend", "reset"),
    ("responses", "method_names_from_class"),
    ("s3", "FakeMultipart"),
    ("werkzeug_app", "DomainDispatcherApplication"),
    ("werkzeug_app", "create_backend_app"),
}


def scanned() -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(what is imported from moto, what is taken from a module that was imported), by the source of the local cloud."""
    names, attributes = set[tuple[str, str]](), set[tuple[str, str]]()
    for path in LOCAL.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        bound = set[str]()
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "moto":
                names |= {(str(node.module), each.name) for each in node.names}
                bound |= {each.asname or each.name for each in node.names}
            elif isinstance(node, ast.Import):
                given = [each for each in node.names if each.name.partition(".")[0] == "moto"]
                names |= {(each.name.rpartition(".")[0], each.name.rpartition(".")[2]) for each in given}
                bound |= {each.asname or each.name for each in given}
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
                attributes.add((node.value.id, node.attr))
    return names, attributes


def test_this_list_is_whole():
    assert scanned() == (RELIED_ON, ATTRIBUTES)


def test_the_version_is_the_one_that_was_measured():
    pinned = [line for line in (TOP / "locks" / "dev.txt").read_text().splitlines() if line.startswith("moto")]
    assert any(f"=={version('moto')}" in line for line in pinned)


@pytest.mark.parametrize(
    ("service", "operation", "request_", "wanted"),
    [
        ("ecs", "ListServices", {"body": b'{"cluster": "c"}'}, {"cluster": "c"}),  # json
        ("elbv2", "DescribeRules", {"values": MultiDict({"ListenerArn": "a"})}, {"ListenerArn": "a"}),  # query
        ("apigateway", "GetRestApi", {"url_params": {"restapi_id": "x"}, "url_path": "/restapis/x"}, {"restApiId": "x"}),
    ],
)
def test_protocol_parsers_read_a_request_of_each_protocol(service, operation, request_, wanted):
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.utils import get_service_model

    model = get_service_model(service).operation_model(operation)
    parser: Any = PROTOCOL_PARSERS[model.service_model.protocol](model)
    plain = {"method": "GET", "values": MultiDict(), "headers": Headers(), "body": b"", "url_path": "/", "url_params": {}}
    parsed = parser.parse({**plain, **request_})
    assert {name: value for name, value in parsed.items() if value is not None} == wanted


@pytest.mark.parametrize(
    ("service", "operation"), [("ecs", "ListServices"), ("elbv2", "DescribeRules"), ("sts", "GetCallerIdentity")]
)
def test_a_serializer_writes_status_headers_and_body(service, operation):
    from moto.core.serialize import get_serializer_class
    from moto.core.utils import get_service_model

    model = get_service_model(service).operation_model(operation)
    serializer: Any = get_serializer_class(service, model.service_model.protocol)(model)
    written = serializer.serialize({})
    assert written["status_code"] == 200
    assert isinstance(written["body"], (str, bytes))
    assert dict(written["headers"])["Content-Type"]


def test_a_role_is_updated_by_its_response_with_all_that_the_backend_is_given():
    from moto.core.responses import EmptyResult
    from moto.iam import responses as iam
    from moto.iam.models import iam_backends

    assert inspect.isfunction(iam.IamResponse.update_role)
    assert inspect.isfunction(iam.IamResponse._get_param)
    backend = iam_backends["123456789012"]["aws"]
    given = list(inspect.signature(backend.update_role).parameters)
    assert given == ["role_name", "role_description", "max_session_duration"]
    assert EmptyResult()


def test_backends_lists_its_modules_by_a_function_that_can_be_cached():
    import moto.backends as backends

    names = list(backends.list_of_moto_modules())
    assert {"s3", "iam", "ec2"} <= set(names)


def test_responses_look_an_action_up_by_a_function_of_the_class_that_can_be_cached(monkeypatch):
    from moto.core import responses
    from moto.iam.responses import IamResponse

    asked: list[Any] = []
    real = responses.method_names_from_class
    monkeypatch.setattr(responses, "method_names_from_class", lambda of: asked.append(of) or real(of))
    list_roles()
    assert asked == [IamResponse]


def test_a_service_has_a_backend_class_and_responses_of_one_base():
    from moto.backends import get_backend
    from moto.core.responses import BaseResponse
    from moto.iam import responses

    assert hasattr(get_backend("iam").backend, "create_role")
    assert issubclass(responses.IamResponse, BaseResponse)


def test_get_backend_has_accounts_that_know_their_regions():
    from moto.backends import get_backend

    regions = get_backend("iam")["123456789012"]
    assert "aws" in regions.regions


def test_ec2_backends_hold_subnets_by_zone_and_vpcs_by_id():
    from moto.ec2.models import ec2_backends

    backend: Any = ec2_backends["123456789012"]["us-east-1"]
    subnet = next(iter(next(iter(backend.subnets.values())).values()))
    assert subnet.vpc_id in backend.vpcs
    assert subnet.availability_zone in backend.subnets


def test_mock_random_draws_the_same_ids_from_the_same_seed():
    from moto.moto_api._internal import mock_random

    def drawn() -> tuple[str, str]:
        mock_random.seed(7)
        return str(mock_random.uuid4()), mock_random.get_random_hex(8)

    assert drawn() == drawn()


def test_iam_backends_hold_users_with_their_keys_and_sts_backends_the_sessions_of_roles():
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    backend: Any = iam_backends["123456789012"]["aws"]
    backend.create_user("us-east-1", "contract")
    made = backend.create_access_key(user_name="contract")
    user = backend.users["contract"]
    assert (user.arn, user.name) == ("arn:aws:iam::123456789012:user/contract", "contract")
    assert user.id
    (key,) = user.access_keys
    assert (key.access_key_id, key.secret_access_key, key.status) == (made.access_key_id, made.secret_access_key, "Active")
    sessions: Any = sts_backends["123456789012"]["aws"]
    session = sessions.assume_role(
        region_name="us-east-1",
        role_session_name="s",
        role_arn="arn:aws:iam::123456789012:role/r",
        policy=None,
        duration=900,
        external_id=None,
    )
    found = sessions.get_assumed_role_from_access_key(session.access_key_id)
    assert found.arn == "arn:aws:sts::123456789012:assumed-role/r/s"
    assert (found.user_id.partition(":")[2], found.secret_access_key) == ("s", session.secret_access_key)
    assert found.access_key.create_date.strftime("%Y")
    backend.reset()
    sessions.reset()


def test_moto_api_backend_resets_everything():
    from moto.moto_api._internal.models import moto_api_backend

    assert list(inspect.signature(moto_api_backend.reset).parameters) == []


def test_s3_models_make_a_multipart_upload_by_the_class_of_that_name_and_file_it_under_its_id(monkeypatch):
    from moto.s3 import models

    class Numbered(models.FakeMultipart):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.id = "ours"

    monkeypatch.setattr(models, "FakeMultipart", Numbered)
    backend: Any = models.s3_backends["123456789012"]["aws"]
    backend.create_bucket("contract", "us-east-1")
    made = backend.create_multipart_upload("contract", "key", {}, "STANDARD", {}, None, "", "")
    assert (made.id, list(backend.get_bucket("contract").multiparts)) == ("ours", ["ours"])
    backend.reset()


def list_roles() -> tuple[str, bytes]:
    """(status, body) of a request that only its credential scope says is IAM's."""
    from moto.moto_server import werkzeug_app
    from werkzeug.test import EnvironBuilder, run_wsgi_app

    application = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
    scope = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"
    environ = EnvironBuilder(
        method="POST", data={"Action": "ListRoles", "Version": "2010-05-08"}, headers={"Authorization": scope}
    ).get_environ()
    body, status, _ = run_wsgi_app(application, environ, buffered=True)
    return status, b"".join(body)


def test_werkzeug_app_dispatches_by_the_credential_scope_to_an_app_for_each_service():
    status, body = list_roles()
    assert status.startswith("200")
    assert b"ListRolesResponse" in body


def test_sessions_of_botocore_get_their_loader_by_a_function_that_can_be_cached(monkeypatch):
    import botocore.session
    from botocore.loaders import Loader

    made = Loader()
    monkeypatch.setattr(botocore.session, "create_loader", lambda *_: made)
    assert all(botocore.session.Session().get_component("data_loader") is made for _ in range(2))
