"""The registry's own protocol, request by request, and the client that pushes our images.

Sources: OCI Distribution Specification 1.1 (pull, push, chunked uploads, mounts, tags); Amazon ECR User Guide,
"Private registry authentication", "Preventing image tags from being overwritten"; what ECR refuses of the
specification: ECR API Reference, PutImage.
"""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from job_cloud import JobCloud, job_cloud
from made_images import MANIFEST, config_of, parts_of
from trimtab.clients.registry import Registry as Client
from trimtab.core.kind import Failure


@dataclass
class Hub:
    """Raw requests to the registry, with a token."""

    cloud: JobCloud
    http: urllib3.PoolManager

    @property
    def token(self) -> str:
        granted = self.cloud.client("ecr").get_authorization_token()["authorizationData"][0]
        return granted["authorizationToken"]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> urllib3.BaseHTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Authorization", f"Basic {self.token}")
        url = path if path.startswith("http") else f"http://127.0.0.1:{self.cloud.port}{path}"
        return self.http.request(method, url, body=body, headers=named, retries=False, redirect=False)

    def push(self, name: str, data: bytes) -> str:
        where = self.ask("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        reply = self.ask("PUT", f"{where}?digest={digest_of(data)}", data)
        assert reply.status == 201, reply.data
        return digest_of(data)

    def push_image(self, name: str, layer: bytes = b"layer", tag: str = "1", **inside: Any) -> tuple[bytes, Any]:
        """(the manifest, the reply to its put)."""
        config = config_of(**inside)
        manifest = parts_of([layer], [self.push(name, layer)], self.push(name, config), config)
        return manifest, self.ask("PUT", f"/v2/{name}/manifests/{tag}", manifest, Content_Type=MANIFEST)

    def blobs(self) -> set[str]:
        return {path.name.replace("-", ":") for path in (self.cloud.folder / "registry/blobs").iterdir()}


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def why(reply: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    return reply.status, json.loads(reply.data)["errors"][0]["code"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with job_cloud(tmp_path / "state", tmp_path / "cache") as cloud:
        cloud.client("ecr").create_repository(repositoryName="vision/digits")
        yield Hub(cloud, urllib3.PoolManager())


REPO = "/v2/vision/digits"


# --- who may ---


def test_without_a_token_everything_is_401_and_says_how(hub: Hub):
    for path in ("/v2/", f"{REPO}/tags/list", f"{REPO}/blobs/sha256:{'0' * 64}"):
        reply = hub.ask("GET", path, Authorization="")
        assert why(reply) == (401, "UNAUTHORIZED")
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")
    assert hub.ask("GET", "/v2/").status == 200


@pytest.mark.parametrize(
    "made", ["AWS:x", "AWS:9999999999.x.y", "", "\0", "root:{password}", "AWS:{password}x", "AWS:9{password}"]
)
def test_a_token_that_is_not_ours_is_refused(hub: Hub, made: str):
    password = base64.b64decode(hub.token).decode().partition(":")[2]
    forged = base64.b64encode(made.format(password=password).encode()).decode()
    assert hub.ask("GET", "/v2/", Authorization=f"Basic {forged}").status == 401
    assert hub.ask("GET", "/v2/", Authorization=f"Bearer {hub.token}").status == 401


def test_a_token_ends_when_it_says(hub: Hub):
    granted = hub.cloud.client("ecr").get_authorization_token()["authorizationData"][0]
    ahead = granted["expiresAt"] - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < ahead <= timedelta(hours=12)
    assert granted["proxyEndpoint"] == f"http://127.0.0.1:{hub.cloud.port}"
    header, tokens = f"Basic {granted['authorizationToken']}", hub.cloud.world.overlay("ecr")._tokens
    assert tokens.accept(header, granted["expiresAt"] - timedelta(seconds=1))
    assert not tokens.accept(header, granted["expiresAt"])


def test_a_token_outlives_a_restart(hub: Hub):
    header = f"Basic {hub.token}"
    hub.cloud.halt()
    hub.cloud = JobCloud(hub.cloud.folder, hub.cloud.cache)
    try:
        assert hub.ask("GET", "/v2/", Authorization=header).status == 200
    finally:
        hub.cloud.close()


# --- blobs ---


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_blob_comes_back_as_it_went(hub: Hub, size: int):
    data = bytes(index % 251 for index in range(size))
    digest = hub.push("vision/digits", data)
    head, got = hub.ask("HEAD", f"{REPO}/blobs/{digest}"), hub.ask("GET", f"{REPO}/blobs/{digest}")
    assert (head.status, head.headers["Content-Length"], head.data) == (200, str(size), b"")
    assert (got.status, got.data, got.headers["Docker-Content-Digest"]) == (200, data, digest)


def test_chunks_are_resumed_where_the_upload_stands(hub: Hub):
    where = hub.ask("POST", f"{REPO}/blobs/uploads/").headers["Location"]
    first = hub.ask("PATCH", where, b"hello ", Content_Range="0-5")
    assert (first.status, first.headers["Range"]) == (202, "0-5")
    again = hub.ask("PATCH", where, b"hello ", Content_Range="0-5")
    assert why(again) == (416, "BLOB_UPLOAD_INVALID")
    assert again.headers["Range"] == "0-5"
    assert why(hub.ask("PATCH", where, b"xy", Content_Range="6-9"))[0] == 416  # fewer bytes than announced
    stands = hub.ask("GET", where)
    assert (stands.status, stands.headers["Range"]) == (204, "0-5")
    assert hub.ask("PATCH", where, b"wor", Content_Range="6-8").status == 202
    assert hub.ask("PUT", f"{where}?digest={digest_of(b'hello world')}", b"ld").status == 201
    assert hub.ask("GET", f"{REPO}/blobs/{digest_of(b'hello world')}").data == b"hello world"
    assert why(hub.ask("GET", where)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_goes_on_after_a_restart(hub: Hub):
    where = hub.ask("POST", f"{REPO}/blobs/uploads/").headers["Location"]
    hub.ask("PATCH", where, b"one ")
    hub.cloud.halt()
    hub.cloud = JobCloud(hub.cloud.folder, hub.cloud.cache)
    try:
        assert hub.ask("GET", where).headers["Range"] == "0-3"
        assert hub.ask("PUT", f"{where}?digest={digest_of(b'one two')}", b"two").status == 201
    finally:
        hub.cloud.close()


def test_a_blob_that_is_not_what_it_says_is_refused_and_can_be_mended(hub: Hub):
    where = hub.ask("POST", f"{REPO}/blobs/uploads/").headers["Location"]
    for digest in (digest_of(b"other"), "sha256:x", "", "sha256:../../../../etc/passwd"):
        assert why(hub.ask("PUT", f"{where}?digest={digest}")) == (400, "DIGEST_INVALID")
    assert hub.ask("PUT", f"{where}?digest={digest_of(b'mine')}", b"mine").status == 201
    assert why(hub.ask("GET", f"{REPO}/blobs/{digest_of(b'other')}")) == (404, "BLOB_UNKNOWN")


def test_one_post_can_bring_a_whole_blob(hub: Hub):
    assert hub.ask("POST", f"{REPO}/blobs/uploads/?digest={digest_of(b'all')}", b"all").status == 201
    assert hub.ask("GET", f"{REPO}/blobs/{digest_of(b'all')}").data == b"all"


def test_an_upload_can_be_given_up_and_is_its_repositorys_own(hub: Hub):
    hub.cloud.client("ecr").create_repository(repositoryName="other")
    where = hub.ask("POST", f"{REPO}/blobs/uploads/").headers["Location"]
    assert why(hub.ask("PATCH", where.replace("vision/digits", "other"), b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert hub.ask("DELETE", where).status == 204
    assert why(hub.ask("PATCH", where, b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert list((hub.cloud.folder / "registry/uploads").iterdir()) == []


def test_a_head_that_is_refused_has_no_body(hub: Hub):
    token = hub.token
    with socket.create_connection(("127.0.0.1", hub.cloud.port)) as line:
        asked = f"HEAD {REPO}/blobs/{digest_of(b'none')} HTTP/1.1\r\nHost: 127.0.0.1:{hub.cloud.port}\r\n"
        line.sendall(f"{asked}Authorization: Basic {token}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.partition(b"\r\n\r\n")[2] == b""


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-3", 206, b"789"), ("bytes=2-99", 206, b"23456789"),
     ("lines=1-2", 200, b"0123456789"), ("bytes=10-", 416, None), ("bytes=4-2", 416, None)],
)  # fmt: skip
def test_parts_of_a_blob(hub: Hub, asked: str, status: int, got: bytes | None):
    digest = hub.push("vision/digits", b"0123456789")
    reply = hub.ask("GET", f"{REPO}/blobs/{digest}", Range=asked)
    assert reply.status == status
    if got is not None:
        assert reply.data == got
    if status == 206:
        assert reply.headers["Content-Range"].endswith("/10")


def test_a_blob_belongs_to_the_repositories_it_was_pushed_to_or_mounted_in(hub: Hub):
    hub.cloud.client("ecr").create_repository(repositoryName="other")
    digest = hub.push("vision/digits", b"shared")
    assert hub.ask("HEAD", f"/v2/other/blobs/{digest}").status == 404
    refused = hub.ask("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=none")
    assert refused.status == 202  # no such source: an ordinary upload begins
    assert hub.ask("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=vision/digits").status == 201
    assert hub.ask("GET", f"/v2/other/blobs/{digest}").data == b"shared"


# --- manifests ---


def test_an_image_is_pushed_and_pulled_by_tag_and_digest(hub: Hub):
    manifest, reply = hub.push_image("vision/digits")
    assert (reply.status, reply.headers["Docker-Content-Digest"]) == (201, digest_of(manifest))
    for reference in ("1", digest_of(manifest)):
        got, head = (hub.ask(method, f"{REPO}/manifests/{reference}") for method in ("GET", "HEAD"))
        assert (got.data, got.headers["Content-Type"]) == (manifest, MANIFEST)
        assert (head.status, head.data, head.headers["Content-Length"]) == (200, b"", str(len(manifest)))
    assert why(hub.ask("GET", f"{REPO}/manifests/none")) == (404, "MANIFEST_UNKNOWN")
    assert why(hub.ask("PUT", f"{REPO}/manifests/{digest_of(b'')}", manifest, Content_Type=MANIFEST)) == (
        400,
        "DIGEST_INVALID",
    )


@pytest.mark.parametrize(
    "change",
    [{"layers": [{"digest": digest_of(b"not pushed"), "size": 1}]}, {"config": {"digest": digest_of(b"no"), "size": 1}}],
)
def test_a_manifest_without_its_blobs_is_refused(hub: Hub, change: Mapping[str, Any]):
    manifest, _ = hub.push_image("vision/digits")
    broken = json.dumps(json.loads(manifest) | change).encode()
    assert why(hub.ask("PUT", f"{REPO}/manifests/2", broken)) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_a_manifest_whose_blobs_are_another_repositorys_is_refused(hub: Hub):
    hub.cloud.client("ecr").create_repository(repositoryName="other")
    manifest, _ = hub.push_image("vision/digits")
    assert why(hub.ask("PUT", "/v2/other/manifests/1", manifest)) == (400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"\xff",
        b'{"schemaVersion":1}',
        b'{"schemaVersion":2}',
        b'{"schemaVersion":2,"config":7}',
        b'{"schemaVersion":2,"config":{},"layers":[]}',
    ],
)
def test_what_is_no_manifest_is_refused(hub: Hub, body: bytes):
    assert why(hub.ask("PUT", f"{REPO}/manifests/1", body)) == (400, "MANIFEST_INVALID")


def test_a_wrong_size_and_a_wrong_tag_are_refused(hub: Hub):
    manifest, _ = hub.push_image("vision/digits")
    value = json.loads(manifest)
    value["layers"][0]["size"] += 1
    assert why(hub.ask("PUT", f"{REPO}/manifests/1", json.dumps(value).encode())) == (400, "MANIFEST_INVALID")
    assert why(hub.ask("PUT", f"{REPO}/manifests/.x", manifest)) == (400, "MANIFEST_INVALID")


def test_a_tag_of_an_immutable_repository_stays(hub: Hub):
    hub.cloud.client("ecr").put_image_tag_mutability(repositoryName="vision/digits", imageTagMutability="IMMUTABLE")
    first, _ = hub.push_image("vision/digits", b"one")
    again = hub.ask("PUT", f"{REPO}/manifests/1", first, Content_Type=MANIFEST)
    assert again.status == 201  # a repeat of the same push is harmless
    _, reply = hub.push_image("vision/digits", b"two")
    assert why(reply) == (400, "TAG_INVALID")
    assert hub.ask("GET", f"{REPO}/manifests/1").data == first
    _, reply = hub.push_image("vision/digits", b"two", tag="2")
    assert reply.status == 201


def test_exclusions_turn_immutability_round(hub: Hub):
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    hub.cloud.client("ecr").put_image_tag_mutability(
        repositoryName="vision/digits",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    pushes = [("dev-1", b"a"), ("dev-1", b"b"), ("live", b"a"), ("live", b"b")]
    assert [hub.push_image("vision/digits", layer, tag)[1].status for tag, layer in pushes] == [201, 201, 201, 400]


def test_a_moved_tag_leaves_its_image_untagged(hub: Hub):
    first, _ = hub.push_image("vision/digits", b"one")
    second, _ = hub.push_image("vision/digits", b"two")
    assert hub.ask("GET", f"{REPO}/manifests/1").data == second
    assert hub.ask("GET", f"{REPO}/manifests/{digest_of(first)}").data == first
    ids = hub.cloud.client("ecr").list_images(repositoryName="vision/digits", filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert ids == [{"imageDigest": digest_of(first)}]


def test_an_index_needs_its_images_and_holds_them(hub: Hub):
    manifest, _ = hub.push_image("vision/digits")
    kind = "application/vnd.oci.image.index.v1+json"

    def index(digest: str) -> bytes:
        return json.dumps({"schemaVersion": 2, "manifests": [{"digest": digest, "size": 1, "mediaType": MANIFEST}]}).encode()

    assert why(hub.ask("PUT", f"{REPO}/manifests/all", index(digest_of(b"none")), Content_Type=kind))[0] == 400
    assert hub.ask("PUT", f"{REPO}/manifests/all", index(digest_of(manifest)), Content_Type=kind).status == 201
    assert hub.ask("DELETE", f"{REPO}/manifests/{digest_of(manifest)}").status == 409
    assert hub.ask("DELETE", f"{REPO}/manifests/all").status == 202
    assert hub.ask("DELETE", f"{REPO}/manifests/{digest_of(manifest)}").status == 202


def test_deleting_a_tag_leaves_the_images_other_tags(hub: Hub):
    manifest, _ = hub.push_image("vision/digits")
    hub.ask("PUT", f"{REPO}/manifests/2", manifest, Content_Type=MANIFEST)
    assert hub.ask("DELETE", f"{REPO}/manifests/1").status == 202
    assert hub.ask("GET", f"{REPO}/manifests/2").data == manifest
    assert hub.ask("DELETE", f"{REPO}/manifests/{digest_of(manifest)}").status == 202
    assert why(hub.ask("GET", f"{REPO}/manifests/2")) == (404, "MANIFEST_UNKNOWN")


def test_bytes_go_with_the_last_image_that_has_them(hub: Hub):
    before = hub.blobs()
    hub.cloud.client("ecr").create_repository(repositoryName="other")
    first, _ = hub.push_image("vision/digits", b"base", Cmd=["1"])
    second, _ = hub.push_image("vision/digits", b"base", "2", Cmd=["2"])
    hub.ask("POST", f"/v2/other/blobs/uploads/?mount={digest_of(b'base')}&from=vision/digits")
    hub.ask("DELETE", f"{REPO}/manifests/{digest_of(first)}")
    assert digest_of(b"base") in hub.blobs()
    assert not {digest_of(first), digest_of(config_of(Cmd=["1"]))} & hub.blobs()
    assert hub.ask("GET", f"{REPO}/manifests/2").data == second
    hub.cloud.client("ecr").delete_repository(repositoryName="vision/digits", force=True)
    assert hub.blobs() - before == {digest_of(b"base")}  # the other repository has it still
    hub.cloud.client("ecr").delete_repository(repositoryName="other", force=True)
    assert hub.blobs() == before


# --- the rest ---


def test_tags_are_listed_in_pages(hub: Hub):
    manifest, _ = hub.push_image("vision/digits", tag="b")
    for tag in ("c", "a"):
        hub.ask("PUT", f"{REPO}/manifests/{tag}", manifest, Content_Type=MANIFEST)
    assert json.loads(hub.ask("GET", f"{REPO}/tags/list").data) == {"name": "vision/digits", "tags": ["a", "b", "c"]}
    page = hub.ask("GET", f"{REPO}/tags/list?n=2")
    assert json.loads(page.data)["tags"] == ["a", "b"]
    more = page.headers["Link"].partition("<")[2].partition(">")[0]
    rest = hub.ask("GET", more)
    assert (json.loads(rest.data)["tags"], "Link" in rest.headers) == (["c"], False)


def test_a_repository_that_does_not_exist_is_unknown(hub: Hub):
    for method, path in [("GET", "tags/list"), ("POST", "blobs/uploads/"), ("GET", "manifests/1")]:
        assert why(hub.ask(method, f"/v2/none/{path}")) == (404, "NAME_UNKNOWN")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "manifests/1"), ("DELETE", f"blobs/{digest_of(b'')}"), ("GET", "blobs/uploads/")]
)
def test_what_is_not_supported_says_so(hub: Hub, method: str, path: str):
    assert why(hub.ask(method, f"{REPO}/{path}")) == (405, "UNSUPPORTED")


@pytest.mark.parametrize("path", ["/v2/_catalog", f"{REPO}/other/x", f"{REPO}/tags/all", f"{REPO}/blobs/..%2F..%2Fkey.json"])
def test_no_path_leads_out(hub: Hub, path: str):
    status, _ = why(hub.ask("GET", path))
    assert status in (400, 404)


def test_a_web_page_is_refused_before_the_registry_looks(hub: Hub):
    assert hub.ask("GET", "/v2/", Origin="http://evil.example").status == 403


def test_pushes_at_a_time_lose_nothing(hub: Hub):
    failed: list[Any] = []

    def push(number: int) -> None:
        try:
            _, reply = hub.push_image("vision/digits", b"%d" % number, f"t{number}", Cmd=[str(number)])
            assert reply.status == 201, reply.data
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    tags = json.loads(hub.ask("GET", f"{REPO}/tags/list").data)["tags"]
    assert tags == [f"t{number}" for number in range(8)]
    for number in range(8):
        assert hub.ask("GET", f"{REPO}/blobs/{digest_of(b'%d' % number)}").data == b"%d" % number


def test_our_own_client_pushes_mounts_and_pulls(hub: Hub):
    hub.cloud.client("ecr").create_repository(repositoryName="other")
    client = Client(f"127.0.0.1:{hub.cloud.port}", lambda: hub.token)
    layer, config = b"x" * 20_000_000, config_of()  # more than two of the client's chunks
    sent: list[int] = []
    for data in (layer, config):
        client.push_blob("vision/digits", digest_of(data), data, sent.append)
    assert sum(sent) == len(layer) + len(config)
    manifest = parts_of([layer], [digest_of(layer)], digest_of(config), config)
    client.push_manifest("vision/digits", "1", manifest, MANIFEST)
    assert client.manifest("vision/digits", "1") == (json.loads(manifest), digest_of(manifest))
    assert not client.has_blob("other", digest_of(layer))
    assert client.mount("other", digest_of(layer), "vision/digits")
    assert client.blob("other", digest_of(layer)) == layer
    with pytest.raises(Failure, match="NAME_UNKNOWN"):
        client.manifest("none", "1")


def test_the_bundled_bases_are_there_and_the_same_everywhere(hub: Hub, tmp_path: Path):
    ecr = hub.cloud.client("ecr")
    names = {each["repositoryName"] for each in ecr.describe_repositories()["repositories"]}
    assert {"trimtab/host-python", "trimtab/pytorch-training", "trimtab/sklearn-training"} <= names
    digests = [hub.cloud.executor.image_digest(f"127.0.0.1:4566/{name}") for name in BASES]
    with job_cloud(tmp_path / "another", tmp_path / "cache") as other:
        assert [other.executor.image_digest(f"127.0.0.1:4566/{name}") for name in BASES] == digests
    for name, tag, package in (("pytorch", "2", "torch=="), ("sklearn", "1", "skl2onnx==")):
        config = json.loads(hub.ask("GET", f"/v2/trimtab/{name}-training/manifests/{tag}").data)["config"]["digest"]
        labels = json.loads(hub.ask("GET", f"/v2/trimtab/{name}-training/blobs/{config}").data)["config"]["Labels"]
        assert labels["trimtab.dev/base"] == "host"
        assert package in labels["trimtab.dev/requirements"]
        assert "://" not in labels["trimtab.dev/requirements"]  # no registry of packages is named


BASES = ("trimtab/host-python:3.11", "trimtab/pytorch-training:2", "trimtab/sklearn-training:1")


def test_a_signed_request_below_v2_is_not_the_registrys(hub: Hub):
    assert hub.cloud.client("apigatewayv2").get_apis()["Items"] == []  # GET /v2/apis
