"""What every stage of compile is given: the document, the environment, the facts, and names derived from them."""

from dataclasses import dataclass
from typing import Any

from trimtab.compile.facts import Facts
from trimtab.compile.keys import artifact_of
from trimtab.compile.names import Names
from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, KEY, UID
from trimtab.graph.node import Node
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.resources import iam_role


@dataclass(frozen=True, slots=True)
class Context:
    deployment: ModelDeployment
    environment: Environment
    facts: Facts
    names: Names
    keys: dict[str, str]  # by stage; below training only once the model is known

    @property
    def spec(self) -> Any:
        return self.deployment.spec

    @property
    def account(self) -> str:
        return self.environment.spec.account

    @property
    def region(self) -> str:
        return self.environment.spec.region

    @property
    def data_bucket(self) -> str:
        return self.environment.spec.buckets.data

    @property
    def artifact(self) -> str:
        """Digest of the model; "" until it is known."""
        return artifact_of(self.keys, self.facts)

    @property
    def content_ids(self) -> tuple[str, ...]:
        return ("s3.Content/dataset", "s3.Content/code", "s3.Content/launcher")

    def tags(self, key: str = "") -> dict[str, str]:
        """Owner tags and the environment's own; `key` for what a generation key names."""
        ours = {
            UID: self.facts.uid,
            DEPLOYMENT: f"{self.names.namespace}/{self.names.name}",
            ENVIRONMENT: self.names.environment,
        }
        return {**self.environment.spec.tags, **ours, **({KEY: key[:12]} if key else {})}

    def pinned(self, name: str) -> str:
        """The image of a pin by its digest, "<registry>/<repository>@sha256:..."."""
        pin = self.facts.pins[name]
        folder, slash, last = pin.text.partition("@")[0].rpartition("/")
        return f"{folder}{slash}{last.partition(':')[0]}@{pin.digest}"

    def shared_tags(self) -> dict[str, str]:
        return {**self.environment.spec.tags, UID: self.facts.environment_uid, ENVIRONMENT: self.names.environment}

    def uri(self, folder: str, digest: str) -> str:
        """S3 URI of content-addressed files of this deployment, with its last slash."""
        return f"s3://{self.data_bucket}/{self.names.bucket_folder(folder, digest.removeprefix('sha256:'))}"

    def role(self, role: str, service: str, policy: str) -> Node:
        """A managed role, under the environment's path."""
        desired = iam_role.Desired(
            name=self.names.plain(64, role),
            path=f"/trimtab/{self.names.environment}/",
            trust_service=service,
            policy=policy,
            tags=self.tags(),
            permissions_boundary=self.environment.spec.permissions_boundary,
            description=f"{role} of {self.names.namespace}/{self.names.name}, made by trimtab",
            source_account=self.account,
        )
        return Node(f"iam.Role/{role}", "training" if role == "training" else "release", desired)
