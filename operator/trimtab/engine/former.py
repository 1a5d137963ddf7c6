"""The generation before, as the ledger remembers it, and what a document changes since.

Names of files that changed come from the manifests that uploads left in the data bucket: one GetObject for a dataset and
one for code, only where their digests differ. Where a manifest is gone or denied, the digests alone are shown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from trimtab.compile.facts import Digests, Facts, Pin
from trimtab.compile.graph import compile_graph
from trimtab.core.kind import Call, Failure
from trimtab.engine.driver import Driver
from trimtab.engine.ledger import Ledger
from trimtab.engine.view import View
from trimtab.engine.wanted import Wanted, wanted_from
from trimtab.graph.node import Graph
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.plan.causes import Causes, Input, causes
from trimtab.plan.changes import ContentEdit, ContentName, Edit, content_edit, edits, with_edit

_CARRIERS: Mapping[ContentName, str] = {
    "dataset": "s3.Content/dataset",
    "training": "s3.Content/code",
    "model": "trimtab.Artifact/model",
}
_UNKNOWN_MODEL = {"digest": "sha256:unknown", "bytes": 0, "record": ""}


@dataclass(frozen=True, slots=True)
class Changes:
    """What a document changes since the generation before; all empty for the first."""

    edits: tuple[Edit, ...] = ()
    contents: tuple[ContentEdit, ...] = ()
    causes: Causes = field(default_factory=Causes)


def changes(view: View, wanted: Wanted, environment: Environment, driver: Driver, acted: Sequence[str]) -> Changes:
    """acted: ids of nodes that the plan does something to."""
    if not view.ledger.generation:
        return Changes()
    before = wanted_from(view.ledger)
    fields = edits(before.declared, wanted.declared, _effective(before.deployment), _effective(wanted.deployment))
    contents = tuple(_content_edits(view.ledger, before.digests, wanted, driver))
    if not fields and not contents:
        return Changes()
    trial = _Trial(before, wanted, environment, _settled(view.facts, before, environment))
    known = trial.graph(())
    assert known is not None, "what the ledger holds was applied once"
    return Changes(fields, contents, causes(known, view.graph, (*contents, *fields), trial.graph, acted))


@dataclass(frozen=True, slots=True)
class _Trial:
    """Compiles the document before with some of the edits."""

    before: Wanted
    wanted: Wanted
    environment: Environment
    facts: Facts

    def graph(self, inputs: Sequence[Input]) -> Graph | None:
        """None when that document is not valid by itself."""
        spec, digests = self.before.declared, self.before.digests
        for each in inputs:
            if isinstance(each, Edit):
                spec = with_edit(spec, each, self.wanted.declared)
            else:
                digests = _with_content(digests, self.wanted.digests, each.name)
        metadata = {"namespace": self.before.namespace, "name": self.before.name}
        body = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": spec}
        try:
            deployment = ModelDeployment.model_validate(body)
        except ValidationError:
            return None
        return compile_graph(deployment, self.environment, replace(self.facts, digests=digests))


def _settled(facts: Facts, before: Wanted, environment: Environment) -> Facts:
    """Facts in which the generation before has its model, so that what stands below it has a key to compare."""
    pins = {name: Pin("", "") for name in ("training", "serving", "launcher")} | dict(facts.pins)
    facts = replace(facts, pins=pins, digests=before.digests)
    key = compile_graph(before.deployment, environment, facts).keys["training"]
    return facts if key in facts.artifacts else replace(facts, artifacts={**facts.artifacts, key: _UNKNOWN_MODEL})


def _with_content(digests: Digests, new: Digests, name: ContentName) -> Digests:
    if name == "dataset":
        return replace(digests, dataset=new.dataset, channels=new.channels)
    if name == "dockerfile":
        return replace(digests, dockerfile=new.dockerfile, base=new.base)
    return replace(digests, **{name: getattr(new, name)})


def _content_edits(ledger: Ledger, before: Digests, wanted: Wanted, driver: Driver) -> list[ContentEdit]:
    names: tuple[ContentName, ...] = ("dataset", "training", "evaluation", "serving", "dockerfile", "model")
    found: list[ContentEdit] = []
    for name in names:
        have, want = getattr(before, name), getattr(wanted.digests, name)
        if have != want:
            content = wanted.contents.get(name)
            new = {entry.path: entry.sha256 for entry in content.entries} if content else {}
            old = _manifest(ledger, name, have, driver) if new else dict[str, str]()
            found.append(content_edit(name, have, want, old, new))
    return found


def _manifest(ledger: Ledger, name: ContentName, digest: str, driver: Driver) -> Mapping[str, str]:
    """SHA-256 by path of what was uploaded under that digest; empty where nothing was, or it cannot be read."""
    plain = digest.removeprefix("sha256:")
    for resource in ledger.resources:
        if resource.node == _CARRIERS.get(name) and resource.identity.endswith(f"/{plain}"):
            bucket, _, prefix = resource.identity.partition("|")
            try:
                reply = driver.make(Call("s3", "GetObject", {"Bucket": bucket, "Key": f"{prefix}.json"}))
            except Failure:
                return {}  # it only says which files: the digests have said that they differ
            return {path: sha256 for path, _, sha256 in json.loads(reply["Body"])["files"]}
    return {}


def _effective(deployment: ModelDeployment) -> dict[str, Any]:
    return deployment.spec.model_dump(mode="json", by_alias=True)
