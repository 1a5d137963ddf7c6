"""ECR: repositories and images, over the same content as the registry. Digests and sizes are those of the bytes.

Lifecycle and repository policies are kept and answered; nothing acts on them. Images are not scanned.
Source: Amazon ECR API.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from trimtab.local.bases import push_bases
from trimtab.local.ecr_images import EcrImages, account_of, page, refused
from trimtab.local.images import ImageChange, Repository
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.protocol import Request, Response
from trimtab.local.registry import Registry, Tokens

_MOST_TAGS = 50
_SEAL = "ecr.secret"


class Ecr(EcrImages):
    """The whole of the service but for the upload of layers, which the registry's own protocol does."""

    service = "ecr"
    whole = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        kept = world.store.get(_SEAL, "registry")
        secret: str = kept["value"] if kept else secrets.token_urlsafe(32)
        if kept is None:
            world.store.put(_SEAL, "registry", {"value": secret})
        self._tokens = Tokens(secret)
        self._registry = Registry(self.images, self._tokens)
        self.images.told = self._say

    def tick(self, now: datetime) -> None:
        """Nothing moves by itself."""

    def recover(self) -> Sequence[str]:
        now = self.world.clock.now()
        self.images.drop_old_uploads(now)
        push_bases(self.images, now)
        return ()

    def _say(self, change: ImageChange) -> None:
        """Source: Amazon ECR User Guide, "Amazon ECR events and EventBridge"."""
        detail = {
            "result": "SUCCESS",
            "repository-name": change.repository,
            "image-digest": change.digest,
            "action-type": change.action,
            "manifest-media-type": change.media_type,
        }
        tag = {"image-tag": change.tag} if change.tag else {}
        self.world.signals.emit("aws.ecr", "ECR Image Action", [], detail | tag, self.world.clock.now())

    def registry(self, request: Request) -> Response:
        """Answer the registry's own protocol. May be called outside the cloud's lock."""
        return self._registry.handle(request, self.world.clock.now())

    def get_authorization_token(self, arguments: Arguments, context: Context) -> Reply:
        token, ends = self._tokens.issue(context.now)
        granted = {"authorizationToken": token, "expiresAt": ends, "proxyEndpoint": self.world.endpoint}
        return {"authorizationData": [granted]}

    # --- repositories ---

    def create_repository(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["repositoryName"]
        account_of(arguments, context)
        tags = _tags_in(arguments)
        repository = Repository(
            name,
            context.now,
            mutability=arguments.get("imageTagMutability", "MUTABLE"),
            scan=_scan_in(arguments),
            tags=tags,
            exclusions=_exclusions_in(arguments),
        )
        if encryption := arguments.get("encryptionConfiguration"):
            repository.encryption = dict(encryption)
        with self.images.lock:
            if self.images.repositories.get(name):
                words = f"The repository with name '{name}' already exists in the registry with id '{context.account}'"
                raise ServiceError("RepositoryAlreadyExistsException", words)
            self.images.repositories.put(repository)
        return {"repository": self._shown(repository)}

    def describe_repositories(self, arguments: Arguments, context: Context) -> Reply:
        if names := arguments.get("repositoryNames"):
            if arguments.get("nextToken") or arguments.get("maxResults"):
                raise refused("nextToken and maxResults cannot be used with repositoryNames")
            return {"repositories": [self._shown(self.repository({**arguments, "repositoryName": name})) for name in names]}
        every = sorted(self.images.repositories, key=lambda repository: repository.name)
        some, token = page(arguments, every)
        return {"repositories": [self._shown(each) for each in some], "nextToken": token}

    def delete_repository(self, arguments: Arguments, context: Context) -> Reply:
        repository = self.repository(arguments)
        if repository.images and not arguments.get("force"):
            words = f"The repository with name '{repository.name}' in registry with id '{context.account}' cannot be deleted"
            raise ServiceError("RepositoryNotEmptyException", f"{words} because it still contains images")
        self.images.drop_repository(repository.name)
        return {"repository": self._shown(repository)}

    def put_image_tag_mutability(self, arguments: Arguments, context: Context) -> Reply:
        exclusions = _exclusions_in(arguments)
        with self.changing(arguments) as repository:
            repository.mutability, repository.exclusions = arguments["imageTagMutability"], exclusions
        return self._named(repository) | _mutability(repository)

    def put_image_scanning_configuration(self, arguments: Arguments, context: Context) -> Reply:
        with self.changing(arguments) as repository:
            repository.scan = _scan_in(arguments)
        return self._named(repository) | {"imageScanningConfiguration": {"scanOnPush": repository.scan}}

    # --- policies, kept as they are given ---

    def put_lifecycle_policy(self, arguments: Arguments, context: Context) -> Reply:
        text = _json_text(arguments["lifecyclePolicyText"], "lifecyclePolicyText")
        with self.changing(arguments) as repository:
            repository.lifecycle = text
        return self._lifecycle(repository)

    def get_lifecycle_policy(self, arguments: Arguments, context: Context) -> Reply:
        repository = self.repository(arguments)
        if not repository.lifecycle:
            raise _no_policy("LifecyclePolicyNotFoundException", "Lifecycle policy", repository, context)
        return self._lifecycle(repository)

    def delete_lifecycle_policy(self, arguments: Arguments, context: Context) -> Reply:
        answer = self.get_lifecycle_policy(arguments, context)
        with self.changing(arguments) as repository:
            repository.lifecycle = ""
        return answer

    def set_repository_policy(self, arguments: Arguments, context: Context) -> Reply:
        text = _json_text(arguments["policyText"], "policyText")
        with self.changing(arguments) as repository:
            repository.policy = text
        return self._policy(repository)

    def get_repository_policy(self, arguments: Arguments, context: Context) -> Reply:
        repository = self.repository(arguments)
        if not repository.policy:
            raise _no_policy("RepositoryPolicyNotFoundException", "Repository policy", repository, context)
        return self._policy(repository)

    def delete_repository_policy(self, arguments: Arguments, context: Context) -> Reply:
        answer = self.get_repository_policy(arguments, context)
        with self.changing(arguments) as repository:
            repository.policy = ""
        return answer

    # --- tags ---

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        fresh = _tags_in(arguments)
        with self.changing(self._at(arguments)) as repository:
            _check_count(repository.tags | fresh)
            repository.tags |= fresh
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        gone = arguments["tagKeys"]
        with self.changing(self._at(arguments)) as repository:
            repository.tags = {name: value for name, value in repository.tags.items() if name not in gone}
        return {}

    def tagged(self) -> Iterator[tuple[str, dict[str, str]]]:
        """(ARN, tags) of repositories; images carry none."""
        yield from ((self._arn(each), each.tags) for each in self.images.repositories)

    def list_tags_for_resource(self, arguments: Arguments, context: Context) -> Reply:
        tags = self.repository(self._at(arguments)).tags
        return {"tags": [{"Key": name, "Value": value} for name, value in sorted(tags.items())]}

    # --- inside ---

    def _at(self, arguments: Arguments) -> Arguments:
        """The repository that an ARN names, as an argument."""
        arn = str(arguments["resourceArn"])
        prefix = f"arn:aws:ecr:{self.world.region}:{self.world.account}:repository/"
        if not arn.startswith(prefix):
            raise refused(f"Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN {arn}'")
        return {"repositoryName": arn.removeprefix(prefix)}

    def _named(self, repository: Repository) -> dict[str, Any]:
        return {"registryId": self.world.account, "repositoryName": repository.name}

    def _lifecycle(self, repository: Repository) -> dict[str, Any]:
        return self._named(repository) | {"lifecyclePolicyText": repository.lifecycle}

    def _policy(self, repository: Repository) -> dict[str, Any]:
        return self._named(repository) | {"policyText": repository.policy}

    def _arn(self, repository: Repository) -> str:
        return f"arn:aws:ecr:{self.world.region}:{self.world.account}:repository/{repository.name}"

    def _shown(self, repository: Repository) -> dict[str, Any]:
        host = self.world.endpoint.partition("://")[2]
        return {
            **self._named(repository),
            **_mutability(repository),
            "repositoryArn": self._arn(repository),
            "repositoryUri": f"{host}/{repository.name}",
            "createdAt": repository.created,
            "imageScanningConfiguration": {"scanOnPush": repository.scan},
            "encryptionConfiguration": dict(repository.encryption),
        }


def _mutability(repository: Repository) -> dict[str, Any]:
    filters = [{"filterType": "WILDCARD", "filter": each} for each in repository.exclusions]
    excluded = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
    return {"imageTagMutability": repository.mutability} | excluded


def _scan_in(arguments: Arguments) -> bool:
    given: dict[str, Any] = arguments.get("imageScanningConfiguration") or {}
    return bool(given.get("scanOnPush"))


def _exclusions_in(arguments: Arguments) -> list[str]:
    given: list[dict[str, str]] = list(arguments.get("imageTagMutabilityExclusionFilters") or ())
    if bool(given) != str(arguments.get("imageTagMutability", "")).endswith("_WITH_EXCLUSION"):
        raise refused("imageTagMutabilityExclusionFilters go with a mutability of _WITH_EXCLUSION, and only with it")
    return [each["filter"] for each in given]


def _tags_in(arguments: Arguments) -> dict[str, str]:
    tags = {each["Key"]: each.get("Value", "") for each in arguments.get("tags") or ()}
    _check_count(tags)
    if any(name.lower().startswith("aws:") for name in tags):
        raise ServiceError("InvalidTagParameterException", "Tag keys that begin with aws: are reserved")
    return tags


def _check_count(tags: dict[str, str]) -> None:
    if len(tags) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A repository has at most {_MOST_TAGS} tags")


def _json_text(text: str, name: str) -> str:
    try:
        value = cast(object, json.loads(text))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise refused(f"Invalid parameter at '{name}' failed to satisfy constraint: 'Invalid JSON'")
    return text


def _no_policy(code: str, what: str, repository: Repository, context: Context) -> ServiceError:
    words = f"{what} does not exist for the repository with name '{repository.name}'"
    return ServiceError(code, f"{words} in the registry with id '{context.account}'")
