"""Assemble a serving image without a daemon and push what the registry lacks. The manifest goes last: it is the record."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.build.image import MANIFEST_TYPE, Image, Parts, assemble, is_host
from trimtab.build.layers import sha256
from trimtab.clients.registry import Registry
from trimtab.core.kind import Call, Progress
from trimtab.engine.transfers import Report
from trimtab.engine.workers import Bench
from trimtab.engine.workers.own_image import own_image
from trimtab.engine.workers.packages import installed
from trimtab.engine.workers.unpack import fetch


class BuildImage:
    """The worker "image": arguments as ecr.Image yields them."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __call__(self, arguments: Mapping[str, Any], report: Report) -> None:
        host, repository = _split(arguments["repository_uri"])
        base_host, base_repository, base_reference = _image(arguments["base"])
        registry = Registry(host, self._token)
        base_registry = registry if base_host == host else Registry(base_host, self._token)
        report(Progress(0, 0, "bytes", "reading the base image"))
        base_manifest, _ = base_registry.manifest(base_repository, base_reference)
        base_config = json.loads(base_registry.blob(base_repository, base_manifest["config"]["digest"]))
        labels = {"trimtab.dev/artifact": arguments["artifact_digest"], "trimtab.dev/key": arguments["tag"]}
        with tempfile.TemporaryDirectory(dir=self._bench.scratch) as name:
            if arguments["dockerfile"]:
                files = _fetch_tree(self._bench.aws, arguments["model_uri"], Path(name) / "model", report)
                image = own_image(arguments, files, base_manifest, base_config, labels, folder=Path(name), report=report)
            else:
                parts = self._parts(arguments, Path(name), base_config, report=report)
                image = assemble(base_manifest, base_config, parts, labels)
        for descriptor in base_manifest["layers"]:
            if not registry.has_blob(repository, descriptor["digest"]):
                _bring(registry, repository, base_registry, base_repository, descriptor["digest"], report)
        _push(registry, repository, image, arguments["tag"], report)

    def _parts(self, arguments: Mapping[str, Any], folder: Path, base_config: Mapping[str, Any], *, report: Report) -> Parts:
        aws = self._bench.aws
        code = _fetch_tree(aws, arguments["code_uri"], folder / "code", report) if arguments["code_uri"] else {}
        model = (
            _fetch_tree(aws, arguments["model_uri"], folder / "model", report) if arguments["packaging"] == "baked" else {}
        )
        launcher = _fetch_tree(aws, arguments["launcher_uri"], folder / "launcher", report)
        architecture = str(base_config.get("architecture", "amd64"))
        bare = is_host(base_config)
        packages = {} if bare else installed(self._bench.lock, architecture, folder / "packages", report)
        return Parts(code, model, launcher["launcher.pyz"], self._bench.lock, packages)

    def _token(self) -> str:
        reply = self._bench.aws.make(Call("ecr", "GetAuthorizationToken", {}, secret=True))
        return reply["authorizationData"][0]["authorizationToken"]


def _push(registry: Registry, repository: str, image: Image, tag: str, report: Report) -> None:
    blobs = {each.digest: each.data for each in image.layers} | {sha256(image.config): image.config}
    missing = {digest: data for digest, data in blobs.items() if not registry.has_blob(repository, digest)}
    total, sent = sum(len(data) for data in missing.values()), 0

    def count(size: int) -> None:
        nonlocal sent
        sent += size
        report(Progress(sent, total, "bytes", "pushing layers"))

    for digest, data in missing.items():
        registry.push_blob(repository, digest, data, count)
    registry.push_manifest(repository, tag, image.manifest, MANIFEST_TYPE)


def _bring(
    registry: Registry, repository: str, source: Registry, source_repository: str, digest: str, report: Report
) -> None:
    """Take a base's layer over: mounted within one registry, else copied."""
    if source is registry and registry.mount(repository, digest, source_repository):
        return
    data = source.blob(source_repository, digest)
    registry.push_blob(repository, digest, data, lambda size: report(Progress(size, len(data), "bytes", "copying the base")))


def _fetch_tree(aws: Any, uri: str, folder: Path, report: Report) -> dict[str, Path]:
    """Download every object under "s3://bucket/prefix/"."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    listed = aws.make(Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix}))
    files: dict[str, Path] = {}
    for item in listed.get("Contents", []):
        path = folder / item["Key"].removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch(aws, bucket, item["Key"], path, report)
        files[item["Key"].removeprefix(prefix)] = path
    return files


def _split(uri: str) -> tuple[str, str]:
    host, _, repository = uri.partition("/")
    return host, repository


def _image(uri: str) -> tuple[str, str, str]:
    """(host, repository, digest or tag)."""
    host, rest = _split(uri)
    name, _, digest = rest.partition("@")
    repository, _, tag = name.partition(":")
    return host, repository, digest or tag or "latest"
