"""ECR's operations on images: put, get, list, describe, delete, and whether layers are there.

Source: Amazon ECR API, PutImage, BatchGetImage, DescribeImages, ListImages, BatchDeleteImage, BatchCheckLayerAvailability.
"""

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from trimtab.local.images import DIGEST, INDEXES, BlobMissing, DigestMismatch, ImageStore, Repository, TagTaken
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World

T = TypeVar("T")
_MEDIA = "application/vnd.oci.image.manifest.v1+json"
_MOST_IDS = 100  # images of one batch


class EcrImages:
    """Images, and what all of ECR shares."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.images: ImageStore = world.images

    # --- lookups ---

    def repository(self, arguments: Arguments) -> Repository:
        """The repository that a call names. Raises ServiceError."""
        found = self.images.repositories.get(arguments["repositoryName"])
        if found is None or arguments.get("registryId", self.world.account) != self.world.account:
            raise self._missing(arguments)
        return found

    @contextmanager
    def changing(self, arguments: Arguments) -> Generator[Repository]:
        """The same, to change; kept afterwards."""
        name = self.repository(arguments).name
        with self.images.changing(name) as repository:
            yield repository

    def _missing(self, arguments: Arguments) -> ServiceError:
        registry = arguments.get("registryId", self.world.account)
        name = arguments["repositoryName"]
        words = f"The repository with name '{name}' does not exist in the registry with id '{registry}'"
        return ServiceError("RepositoryNotFoundException", words)

    # --- operations ---

    def put_image(self, arguments: Arguments, context: Context) -> Reply:
        repository, data = self.repository(arguments), str(arguments["imageManifest"]).encode()
        digest, tag = f"sha256:{hashlib.sha256(data).hexdigest()}", arguments.get("imageTag")
        if arguments.get("imageDigest", digest) != digest:
            words = f"The provided digest '{arguments['imageDigest']}' does not match '{digest}', the image's own"
            raise ServiceError("ImageDigestDoesNotMatchException", words)
        if digest in repository.images and (tag is None or tag in repository.images[digest].tags):
            words = f"Image with digest '{digest}' and tag '{tag}' already exists in the repository"
            raise ServiceError("ImageAlreadyExistsException", f"{words} with name '{repository.name}'")
        media = arguments.get("imageManifestMediaType") or _media_in(data)
        try:
            self.images.put_manifest(repository, tag or digest, data, media, context.now, pushed=True)
        except TagTaken:
            words = f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten"
            raise ServiceError("ImageTagAlreadyExistsException", f"{words} because the repository is immutable.") from None
        except BlobMissing as error:
            code = "ReferencedImagesNotFoundException" if media in INDEXES else "LayersNotFoundException"
            raise ServiceError(code, f"'{error}' was not found in the repository with name '{repository.name}'") from None
        except (ValueError, DigestMismatch) as error:
            raise refused(f"Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{error}'") from None
        return {"image": self._image(repository, digest, tag)}

    def batch_get_image(self, arguments: Arguments, context: Context) -> Reply:
        repository = self.repository(arguments)
        images, failures = list[Any](), list[Any]()
        for id in _ids(arguments):
            digest, failure = _resolved(repository, id)
            if failure:
                failures.append(failure)
            else:
                images.append(self._image(repository, digest, id.get("imageTag")))
        return {"images": images, "failures": failures}

    def batch_delete_image(self, arguments: Arguments, context: Context) -> Reply:
        repository = self.repository(arguments)
        gone, failures = list[Any](), list[Any]()
        for id in _ids(arguments):
            digest, failure = _resolved(repository, id)
            failure = failure or self._held(repository, digest, id)
            if failure:
                failures.append(failure)
                continue
            tags = list(repository.images[digest].tags)
            # By digest the image goes with all its tags; by tag, that tag, and the image with its last one.
            taken = [id["imageTag"]] if "imageTag" in id else tags
            for tag in taken:
                self.images.drop_tag(repository.name, tag)
            if "imageTag" not in id:
                self.images.drop_image(repository.name, digest)
            gone += [{"imageDigest": digest, "imageTag": tag} for tag in taken] or [{"imageDigest": digest}]
        return {"imageIds": gone, "failures": failures}

    def describe_images(self, arguments: Arguments, context: Context) -> Reply:
        repository = self.repository(arguments)
        if not arguments.get("imageIds"):
            wanted = _status(arguments)
            images = sorted(repository.images.items())
            chosen = [digest for digest, image in images if wanted in ("ANY", _status_of(image.tags))]
            some, token = page(arguments, chosen)
            return {"imageDetails": [self._detail(repository, digest) for digest in some], "nextToken": token}
        digests: list[str] = []
        for id in _ids(arguments):
            digest, failure = _resolved(repository, id)
            if failure:
                words = f"The image with imageId {json.dumps(failure['imageId'])} does not exist"
                where = f"within the repository with name '{repository.name}' in the registry with id '{context.account}'"
                raise ServiceError("ImageNotFoundException", f"{words} {where}")
            digests.append(digest)
        return {"imageDetails": [self._detail(repository, digest) for digest in dict.fromkeys(digests)]}

    def list_images(self, arguments: Arguments, context: Context) -> Reply:
        repository, wanted = self.repository(arguments), _status(arguments)
        ids: list[dict[str, str]] = []
        for digest, image in sorted(repository.images.items()):
            if wanted in ("ANY", _status_of(image.tags)):
                ids += [{"imageDigest": digest, "imageTag": tag} for tag in image.tags] or [{"imageDigest": digest}]
        some, token = page(arguments, ids)
        return {"imageIds": some, "nextToken": token}

    def batch_check_layer_availability(self, arguments: Arguments, context: Context) -> Reply:
        repository = self.repository(arguments)
        layers, failures = list[Any](), list[Any]()
        for digest in arguments["layerDigests"]:
            path = self.images.blob_of(repository, digest)
            if not DIGEST.fullmatch(digest):
                words = "the layer digest is not valid"
                failures.append({"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": words})
            elif path is None:
                layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
            else:
                size = path.stat().st_size
                layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": size})
        return {"layers": layers, "failures": failures}

    # --- inside ---

    def _held(self, repository: Repository, digest: str, id: Mapping[str, str]) -> dict[str, Any] | None:
        """Why an image cannot go: an index names it, and it would be the last tag or the image itself."""
        image = repository.images[digest]
        stays = "imageTag" in id and len(image.tags) > 1
        index = None if stays else self.images.index_with(repository, digest)
        return _failure(id, "ImageReferencedByManifestList", f"The image is named by {index}") if index else None

    def _image(self, repository: Repository, digest: str, tag: str | None) -> dict[str, Any]:
        return {
            "registryId": self.world.account,
            "repositoryName": repository.name,
            "imageId": {"imageDigest": digest} | ({"imageTag": tag} if tag else {}),
            "imageManifest": self.images.manifest(digest).decode(),
            "imageManifestMediaType": repository.images[digest].media_type,
        }

    def _detail(self, repository: Repository, digest: str) -> dict[str, Any]:
        image = repository.images[digest]
        detail: dict[str, Any] = {
            "registryId": self.world.account,
            "repositoryName": repository.name,
            "imageDigest": digest,
            "imageSizeInBytes": image.size,
            "imagePushedAt": image.pushed,
            "imageManifestMediaType": image.media_type,
        }
        return detail | ({"imageTags": list(image.tags)} if image.tags else {})


def refused(words: str) -> ServiceError:
    return ServiceError("InvalidParameterException", words)


def account_of(arguments: Arguments, context: Context) -> None:
    """Refuse the registry of another account, of which there is none here."""
    if arguments.get("registryId", context.account) != context.account:
        raise refused(f"there is no registry with id '{arguments['registryId']}' in the local cloud")


def page(arguments: Arguments, items: Sequence[T]) -> tuple[Sequence[T], str | None]:
    """The page that a call asks for, by its nextToken and maxResults (100 when not given), and the token of the next."""
    token, most = str(arguments.get("nextToken") or "0"), int(arguments.get("maxResults") or 100)
    if not token.isdecimal():
        raise refused("Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'")
    end = int(token) + most
    return items[int(token) : end], str(end) if end < len(items) else None


def _ids(arguments: Arguments) -> list[Mapping[str, str]]:
    ids: list[Mapping[str, str]] = list(arguments.get("imageIds") or ())
    if len(ids) > _MOST_IDS:
        raise refused(f"Invalid parameter at 'imageIds' failed to satisfy constraint: 'at most {_MOST_IDS}'")
    return ids


def _resolved(repository: Repository, id: Mapping[str, str]) -> tuple[str, dict[str, Any] | None]:
    """(digest, None), or ("", why not)."""
    digest, tag = id.get("imageDigest"), id.get("imageTag")
    if not digest and not tag:
        return "", _failure(id, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
    if digest and not DIGEST.fullmatch(digest):
        return "", _failure(id, "InvalidImageDigest", "Invalid request parameters: image digest should satisfy the regex")
    found = repository.resolve(digest or tag or "")
    if found is None:
        return "", _failure(id, "ImageNotFound", "Requested image not found")
    if digest and tag and tag not in repository.images[found].tags:
        return "", _failure(id, "ImageTagDoesNotMatchDigest", "The tag does not stand for that digest")
    return found, None


def _failure(id: Mapping[str, str], code: str, reason: str) -> dict[str, Any]:
    return {"imageId": dict(id), "failureCode": code, "failureReason": reason}


def _status(arguments: Arguments) -> str:
    given: dict[str, str] = arguments.get("filter") or {}
    return given.get("tagStatus", "ANY")


def _status_of(tags: Sequence[str]) -> str:
    return "TAGGED" if tags else "UNTAGGED"


def _media_in(data: bytes) -> str:
    """The media type that a manifest names itself by."""
    try:
        return str(json.loads(data).get("mediaType") or _MEDIA)
    except (ValueError, AttributeError):
        return _MEDIA
