"""A serving image in its repository, under a tag that is its generation key.

Identity: "repository|tag". Owned through its repository, whose tags decide. Cost of observe: 1 BatchGetImage per 100 images
of a repository; it answers the manifest, so digest and size come from the registry, never from the tag.
Source: Amazon ECR API, BatchGetImage (DescribeImages fails whole when one tag is missing), BatchDeleteImage.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.core.kind import (
    Call,
    Difference,
    Failure,
    Kind,
    Ref,
    Reply,
    Right,
    Settled,
    State,
    Steps,
    Transfer,
    Unknown,
    Verb,
    tag_map,
)
from trimtab.resources.shared import WHEN_OURS, allow, ask, chunks, grouped, known, unknown

_ARN = "arn:{partition}:ecr:{region}:{account}:repository/{name}"
DIGEST = "imageDigest"
_MEDIA_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True, slots=True)
class Desired:
    """digest: what the key was built to before, from the ledger; empty when it was never built."""

    repository: str  # "vision/digits"
    repository_uri: str | Ref  # what to push to, without a tag: Repository.uri
    tag: str  # the image's generation key
    base: str  # "<registry>/<repository>@sha256:..." or with a tag
    code_uri: str  # "s3://bucket/prefix/" that holds the serving files; "" where there is no code
    launcher_uri: str  # "s3://bucket/prefix/" that holds launcher.pyz; "" where a Dockerfile says what goes in
    model_uri: str | Ref  # "s3://bucket/prefix/": Artifact.uri; "" when the model is fetched, not baked
    artifact_digest: str | Ref
    packaging: str = "baked"
    digest: str = ""
    dockerfile: str = ""  # path below model_uri of what says how it is built; "" for an image of ours


@dataclass(frozen=True, slots=True)
class Observed:
    repository: str
    tag: str
    digest: str  # "sha256:..." of the manifest
    bytes: int = 0  # of all layers, compressed
    tags: Mapping[str, str] | None = None


class EcrImage:
    name = "ecr.Image"
    rank = 70
    rights: Mapping[Verb, tuple[Right, ...]] = {
        "observe": allow(_ARN, "ecr:BatchGetImage", "ecr:DescribeRepositories", "ecr:ListTagsForResource"),
        "create": allow("*", "ecr:GetAuthorizationToken")
        + allow(
            _ARN,
            "ecr:BatchCheckLayerAvailability",
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
            "ecr:PutImage",
        ),
        "update": (),
        "delete": allow(_ARN, "ecr:BatchDeleteImage", when=WHEN_OURS),
    }

    def identity(self, desired: Desired) -> str:
        return f"{desired.repository}|{desired.tag}"

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, Observed | Unknown]]:
        asked = [(name, part) for name, tags in grouped(wanted).items() for part in chunks(tags, 100)]
        replies = yield from ask(
            Call(
                "ecr",
                "BatchGetImage",
                {
                    "repositoryName": repository,
                    "imageIds": [{"imageTag": tag} for tag in tags],
                    "acceptedMediaTypes": list(_MEDIA_TYPES),
                },
            )
            for repository, tags in asked
        )
        seen: dict[str, Observed | Unknown] = {}
        for (repository, tags), reply in zip(asked, replies, strict=True):
            if isinstance(reply, Failure):
                if reply.meaning != "absent":  # no repository, no images
                    seen |= {f"{repository}|{tag}": unknown(reply) for tag in tags}
                continue
            seen |= _images(repository, reply)
        return seen

    def tags(self, observed: Sequence[Observed]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        names = list(dict.fromkeys(each.repository for each in observed))
        described = yield from ask(Call("ecr", "DescribeRepositories", {"repositoryNames": [name]}) for name in names)
        owners: dict[str, Mapping[str, str] | Unknown] = {}
        arns: dict[str, str] = {}
        for name, reply in zip(names, described, strict=True):
            if isinstance(reply, Failure):
                owners[name] = unknown(reply)
            else:
                arns[name] = reply["repositories"][0]["repositoryArn"]
        tagged = yield from ask(Call("ecr", "ListTagsForResource", {"resourceArn": arn}) for arn in arns.values())
        for name, reply in zip(arns, tagged, strict=True):
            owners[name] = unknown(reply) if isinstance(reply, Failure) else tag_map(reply.get("tags", ()))
        return [owners[each.repository] for each in observed]

    def state(self, desired: Desired, observed: Observed) -> State:
        return Settled()

    def diff(self, desired: Desired, observed: Observed) -> tuple[Difference, ...]:
        if desired.digest in ("", observed.digest):
            return ()
        return (Difference(DIGEST, have=observed.digest, want=desired.digest, remedy="replace"),)

    def create(self, desired: Desired) -> Steps[None]:
        yield Transfer(
            "image",
            {
                "base": desired.base,
                "code_uri": desired.code_uri,
                "launcher_uri": desired.launcher_uri,
                "model_uri": known(desired.model_uri),
                "artifact_digest": known(desired.artifact_digest),
                "repository_uri": known(desired.repository_uri),
                "tag": desired.tag,
                "packaging": desired.packaging,
                "dockerfile": desired.dockerfile,
            },
        )

    def update(self, desired: Desired, observed: Observed, drift: Sequence[Difference]) -> Steps[None]:
        yield from ()

    def delete(self, observed: Observed) -> Steps[None]:
        image = {"imageTag": observed.tag}  # by tag: the manifest goes with its last one, and another key may have the same
        reply = yield Call(
            "ecr", "BatchDeleteImage", {"repositoryName": observed.repository, "imageIds": [image]}, repeat="safe"
        )
        for failure in reply.get("failures", ()):
            code, why = failure.get("failureCode", ""), failure.get("failureReason", "")
            if code != "ImageNotFound":
                raise Failure("busy", f"ecr:BatchDeleteImage: {code}: {why}", code=code, operation="ecr:BatchDeleteImage")


def _images(repository: str, reply: Reply) -> dict[str, Observed | Unknown]:
    seen: dict[str, Observed | Unknown] = {}
    for image in reply.get("images", ()):
        tag, digest = image["imageId"].get("imageTag", ""), image["imageId"]["imageDigest"]
        seen[f"{repository}|{tag}"] = Observed(repository, tag, digest, _size(image.get("imageManifest", "")))
    for failure in reply.get("failures", ()):
        if failure.get("failureCode") != "ImageNotFound":
            tag = failure.get("imageId", {}).get("imageTag", "")
            seen[f"{repository}|{tag}"] = Unknown(f"ecr:BatchGetImage: {failure.get('failureReason', '')}")
    return seen


def _size(manifest: str) -> int:
    try:
        layers: list[dict[str, Any]] = json.loads(manifest).get("layers", [])
        return sum(int(layer.get("size", 0)) for layer in layers)
    except ValueError:
        return 0


KIND: Kind[Desired, Observed] = EcrImage()
