"""ECR: repositories and images, over the same content as the registry. Digests and sizes are those of the bytes.

Source: Amazon ECR API.
"""

import base64
import json
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from trimtab.local.bases import push_bases
from trimtab.local.images import DigestMismatch, ImageStore, Repository, TagTaken
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.protocol import Request, Response
from trimtab.local.registry import Registry

_MEDIA = "application/vnd.oci.image.manifest.v1+json"


class Ecr:
    service = "ecr"
    whole = True

    def __init__(self, world: World) -> None:
        self._world = world
        self.images: ImageStore = world.images
        kept = world.store.get("ecr.password", "registry")
        self._password: str = kept["value"] if kept else secrets.token_urlsafe(32)
        if kept is None:
            world.store.put("ecr.password", "registry", {"value": self._password})
        self._registry = Registry(self.images, self._password)

    def tick(self, now: datetime) -> None:
        """Nothing moves by itself."""

    def recover(self) -> Sequence[str]:
        push_bases(self.images, self._world.clock.now())
        return ()

    def registry(self, request: Request) -> Response:
        """Answer the registry's own protocol."""
        return self._registry.handle(request, self._world.clock.now())

    def get_authorization_token(self, arguments: Arguments, context: Context) -> Reply:
        token = base64.b64encode(f"AWS:{self._password}".encode()).decode()
        expires = context.now + timedelta(hours=12)
        return {
            "authorizationData": [{"authorizationToken": token, "expiresAt": expires, "proxyEndpoint": self._world.endpoint}]
        }

    # --- repositories ---

    def create_repository(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["repositoryName"]
        if self.images.repositories.get(name):
            raise ServiceError(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id '{context.account}'",
            )
        repository = Repository(
            name,
            context.now,
            mutability=arguments.get("imageTagMutability", "MUTABLE"),
            scan=bool(arguments.get("imageScanningConfiguration", {}).get("scanOnPush")),
            tags={each["Key"]: each.get("Value", "") for each in arguments.get("tags") or ()},
        )
        self.images.repositories.put(repository)
        return {"repository": self._shown(repository)}

    def describe_repositories(self, arguments: Arguments, context: Context) -> Reply:
        if names := arguments.get("repositoryNames"):
            return {"repositories": [self._shown(self._repository(name)) for name in names]}
        every = sorted(self.images.repositories, key=lambda repository: repository.name)
        place, limit = int(arguments.get("nextToken") or 0), int(arguments.get("maxResults") or 100)
        token = str(place + limit) if place + limit < len(every) else None
        return {"repositories": [self._shown(each) for each in every[place : place + limit]], "nextToken": token}

    def delete_repository(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._repository(arguments["repositoryName"])
        if repository.images and not arguments.get("force"):
            raise ServiceError(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository.name}' cannot be deleted because it still contains images",
            )
        self.images.repositories.drop(repository.name)
        return {"repository": self._shown(repository)}

    def put_image_tag_mutability(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._repository(arguments["repositoryName"])
        repository.mutability = arguments["imageTagMutability"]
        self.images.repositories.put(repository)
        return {"repositoryName": repository.name, "imageTagMutability": repository.mutability}

    def put_image_scanning_configuration(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._repository(arguments["repositoryName"])
        repository.scan = bool(arguments["imageScanningConfiguration"].get("scanOnPush"))
        self.images.repositories.put(repository)
        return {"repositoryName": repository.name, "imageScanningConfiguration": {"scanOnPush": repository.scan}}

    # --- images ---

    def put_image(self, arguments: Arguments, context: Context) -> Reply:
        repository, text = self._repository(arguments["repositoryName"]), arguments["imageManifest"]
        media = arguments.get("imageManifestMediaType") or json.loads(text).get("mediaType") or _MEDIA
        reference = arguments.get("imageTag") or arguments.get("imageDigest") or ""
        try:
            digest = self.images.put_manifest(repository, reference or "latest", text.encode(), media, context.now)
        except TagTaken as error:
            raise ServiceError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{error}' already exists in the '{repository.name}' repository and cannot be overwritten because the repository is immutable.",
            ) from error
        except (KeyError, DigestMismatch) as error:
            raise ServiceError("LayersNotFoundException", f"blob {error} is not in the registry") from error
        return {"image": self._image(repository, digest, arguments.get("imageTag"))}

    def batch_get_image(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._repository(arguments["repositoryName"])
        images, failures = list[Any](), list[Any]()
        for id, digest in self._resolved(repository, arguments["imageIds"]):
            if digest:
                images.append(self._image(repository, digest, id.get("imageTag")))
            else:
                failures.append(_not_found(id))
        return {"images": images, "failures": failures}

    def batch_delete_image(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._repository(arguments["repositoryName"])
        gone, failures = list[Any](), list[Any]()
        for id, digest in self._resolved(repository, arguments["imageIds"]):
            if digest is None:
                failures.append(_not_found(id))
                continue
            image = repository.images[digest]
            if tag := id.get("imageTag"):
                image.tags.remove(tag)
            if "imageDigest" in id or not image.tags:
                del repository.images[digest]
            gone.append({"imageDigest": digest, **({"imageTag": tag} if tag else {})})
        self.images.repositories.put(repository)
        return {"imageIds": gone, "failures": failures}

    def describe_images(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._repository(arguments["repositoryName"])
        if ids := arguments.get("imageIds"):
            found = list(self._resolved(repository, ids))
            if any(digest is None for _, digest in found):
                raise ServiceError(
                    "ImageNotFoundException", f"The image requested does not exist in the '{repository.name}' repository"
                )
            digests = list(dict.fromkeys(digest for _, digest in found if digest))
        else:
            digests = sorted(repository.images)
        details = [self._detail(repository, digest) for digest in digests]
        place, limit = int(arguments.get("nextToken") or 0), int(arguments.get("maxResults") or 100)
        token = str(place + limit) if place + limit < len(details) else None
        return {"imageDetails": details[place : place + limit], "nextToken": token}

    def list_images(self, arguments: Arguments, context: Context) -> Reply:
        repository, wanted = (
            self._repository(arguments["repositoryName"]),
            arguments.get("filter", {}).get("tagStatus", "ANY"),
        )
        ids: list[dict[str, str]] = []
        for digest, image in sorted(repository.images.items()):
            ids += [{"imageDigest": digest, "imageTag": tag} for tag in image.tags] if wanted != "UNTAGGED" else []
            ids += [{"imageDigest": digest}] if not image.tags and wanted != "TAGGED" else []
        return {"imageIds": ids}

    def batch_check_layer_availability(self, arguments: Arguments, context: Context) -> Reply:
        self._repository(arguments["repositoryName"])
        layers: list[dict[str, Any]] = []
        for digest in arguments["layerDigests"]:
            path = self.images.blob(digest)
            layers.append(
                {"layerDigest": digest, "layerAvailability": "AVAILABLE" if path else "UNAVAILABLE"}
                | ({"layerSize": path.stat().st_size} if path else {})
            )
        return {"layers": layers, "failures": []}

    # --- tags ---

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._by_arn(arguments["resourceArn"])
        repository.tags |= {each["Key"]: each.get("Value", "") for each in arguments["tags"]}
        self.images.repositories.put(repository)
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        repository = self._by_arn(arguments["resourceArn"])
        repository.tags = {name: value for name, value in repository.tags.items() if name not in arguments["tagKeys"]}
        self.images.repositories.put(repository)
        return {}

    def list_tags_for_resource(self, arguments: Arguments, context: Context) -> Reply:
        tags = self._by_arn(arguments["resourceArn"]).tags
        return {"tags": [{"Key": name, "Value": value} for name, value in sorted(tags.items())]}

    # --- inside ---

    def _repository(self, name: str) -> Repository:
        repository = self.images.repositories.get(name)
        if repository is None:
            raise ServiceError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{self._world.account}'",
            )
        return repository

    def _by_arn(self, arn: str) -> Repository:
        return self._repository(arn.partition(":repository/")[2])

    def _resolved(self, repository: Repository, ids: Sequence[Arguments]) -> Iterator[tuple[dict[str, Any], str | None]]:
        for id in ids:
            yield dict(id), repository.resolve(id.get("imageDigest") or id.get("imageTag") or "")

    def _image(self, repository: Repository, digest: str, tag: str | None) -> dict[str, Any]:
        id = {"imageDigest": digest} | ({"imageTag": tag} if tag else {})
        shown = {"registryId": self._world.account, "repositoryName": repository.name, "imageId": id}
        media = repository.images[digest].media_type
        return shown | {"imageManifest": self.images.manifest(digest).decode(), "imageManifestMediaType": media}

    def _detail(self, repository: Repository, digest: str) -> dict[str, Any]:
        image = repository.images[digest]
        return {
            "registryId": self._world.account,
            "repositoryName": repository.name,
            "imageDigest": digest,
            "imageTags": list(image.tags),
            "imageSizeInBytes": image.size,
            "imagePushedAt": image.pushed,
            "imageManifestMediaType": image.media_type,
        }

    def _shown(self, repository: Repository) -> dict[str, Any]:
        host = self._world.endpoint.partition("://")[2]
        return {
            "repositoryArn": f"arn:aws:ecr:{self._world.region}:{self._world.account}:repository/{repository.name}",
            "registryId": self._world.account,
            "repositoryName": repository.name,
            "repositoryUri": f"{host}/{repository.name}",
            "createdAt": repository.created,
            "imageTagMutability": repository.mutability,
            "imageScanningConfiguration": {"scanOnPush": repository.scan},
            "encryptionConfiguration": {"encryptionType": "AES256"},
        }


def _not_found(id: dict[str, Any]) -> dict[str, Any]:
    return {"imageId": id, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
