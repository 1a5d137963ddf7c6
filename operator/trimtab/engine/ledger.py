"""The ledger: our own durable memory of one deployment, kept in the environment's state bucket by conditional write.

Keys in the bucket: `ledgers/<namespace>/<name>.json` (a deployment), `environments/<name>.json` (what deployments share),
`sources/<digest of the name>.json` (documents that a source has no more).
Fencing is the compare-and-swap of each write; the lease inside is only politeness between two operators.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, ClassVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from trimtab.core.errors import Conflict, UserError
from trimtab.core.kind import Call, Caller, Failure
from trimtab.engine.brake import Vanished
from trimtab.engine.proof import Proof
from trimtab.plan.drifts import DriftRecord
from trimtab.plan.events import Act, Event
from trimtab.plan.status import Trouble

_LEDGERS = "ledgers/"


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that we made, or announced that we would."""

    node: str
    kind: str
    identity: str
    key: str = ""  # generation key; empty for what is not immutable
    shared: bool = False
    condemned: bool = False
    tags: str = ""  # digest of the tags last declared: a change is seen without reading them; "" until they are seen
    adopted: bool = False  # it was there before us: it is deleted only while it carries our tag

    @property
    def id(self) -> str:
        """As that of a Stale: one role may have several resources, under different identities."""
        return f"{self.node}#{self.identity}"


@dataclass(frozen=True, slots=True)
class Revision:
    """dataset + code + parameters + model + image + serving configuration, and what became of it."""

    number: int
    generation: int
    release: str  # release key; "" for one that never came so far
    pins: Mapping[str, str]  # dataset, code, training, artifact, image: key or digest
    metrics: Mapping[str, float]
    outcome: str  # "Serving", "Superseded", "GateFailed", "TrainingFailed", ...
    because: str
    at: str  # RFC 3339
    document: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the spec as declared then, defaults left out
    notes: tuple[str, ...] = ()  # what the gate said of it: what was met, how it stands beside the champion
    version: str = ""  # commit id, where the document came from a source that has such things


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a document came from."""

    source: str  # name of the source: "folder:/srv/models"
    file: str  # in that source
    version: str = ""  # what a person calls it: a commit id


@dataclass(frozen=True, slots=True)
class Lease:
    holder: str
    until: str  # RFC 3339


@dataclass(frozen=True, slots=True)
class Since:
    """A condition's status or a stage's standing, and when it became so."""

    status: str
    at: str  # RFC 3339
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Bake:
    """A release that serves and is watched, or that an alarm ended while it was."""

    release: str  # 12 digits of its key
    since: str  # RFC 3339
    failed: str = ""  # why it was given up; the last one has to come back
    is_back: bool = False  # and has done


@dataclass(frozen=True, slots=True)
class Ledger:
    """All that is remembered of one deployment."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")  # and of all that is in it

    uid: str
    namespace: str
    name: str
    environment: str
    account: str
    region: str
    generation: int = 0
    spec_digest: str = ""
    document: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the spec of this generation, as declared
    contents: Mapping[str, Any] = field(default_factory=dict[str, Any])  # digests of its dataset and code
    provenance: Provenance | None = None  # of this generation; None where a person applied it and no source ever did
    suspended: str = ""  # RFC 3339: since when a person has it left alone
    pins: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])  # by training key
    verdicts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    resources: tuple[Resource, ...] = ()
    revisions: tuple[Revision, ...] = ()
    holds: tuple[str, ...] = ()  # 12 digits of the release key that a person rolled back to; one at most
    quarantine: tuple[str, ...] = ()  # 12 digits of each release key that the platform gave up, oldest first
    ordinals: Mapping[str, int] = field(default_factory=dict[str, int])  # retrainings asked for, by plain training key
    attempts: Mapping[str, int] = field(default_factory=dict[str, int])  # retries asked for, by release key
    deleting: bool = False
    retained: str = ""  # RFC 3339: when it was deleted and let go of; what exists stays until it is applied again
    conditions: Mapping[str, Since] = field(default_factory=dict[str, Since])  # by type
    stages: Mapping[str, Since] = field(default_factory=dict[str, Since])  # standing by stage
    troubles: tuple[Trouble, ...] = ()  # of the last pass
    events: tuple[Event, ...] = ()  # newest last; the oldest are forgotten
    acts: tuple[Act, ...] = ()  # announced, and not seen to be done yet
    drifts: tuple[DriftRecord, ...] = ()  # what was changed outside, newest last; the oldest are forgotten
    planned: str = ""  # fingerprint of the saved plan that is being applied
    settled: Mapping[str, str] = field(default_factory=dict[str, str])  # what each node was declared as when all was so
    granted: str = ""  # RFC 3339: when a role or policy was last written; rights take a while to be known everywhere
    proof: Proof | None = None  # of the release that was proven last
    baking: Bake | None = None
    lease: Lease | None = None

    def announced(self, resources: tuple[Resource, ...]) -> "Ledger":
        """With those among its resources; one of the same node and identity is replaced, and no longer condemned."""
        new = {(each.node, each.identity): each for each in resources}
        kept = tuple(each for each in self.resources if (each.node, each.identity) not in new)
        return replace(self, resources=tuple(sorted((*kept, *resources), key=lambda each: (each.node, each.identity))))


@dataclass(frozen=True, slots=True)
class Shared:
    """What the deployments of one environment share, and who uses it."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    uid: str
    environment: str
    users: tuple[str, ...] = ()  # uids of deployments
    resources: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A document and the version it was read at."""

    value: Any
    etag: str | None  # None: not there


class Ledgers:
    """Reads and writes ledgers in one state bucket.

    Raises Failure; Conflict when somebody wrote in between; UserError where what is there is none of what we write.
    """

    def __init__(self, driver: Caller, bucket: str) -> None:
        self._driver = driver
        self._bucket = bucket

    def load(self, namespace: str, name: str) -> Stored:
        return self._ledger(_ledger_key(namespace, name))

    def save(self, ledger: Ledger, etag: str | None) -> str:
        """Write it if it still is at that version; returns the new one."""
        return self._write(_ledger_key(ledger.namespace, ledger.name), asdict(ledger), etag)

    def remove(self, ledger: Ledger) -> None:
        self._delete(_ledger_key(ledger.namespace, ledger.name))

    def remove_shared(self, shared: Shared) -> None:
        self._delete(f"environments/{shared.environment}.json")

    def _delete(self, key: str) -> None:
        self._driver.make(Call("s3", "DeleteObject", {"Bucket": self._bucket, "Key": key}, repeat="safe"))

    def load_shared(self, environment: str) -> Stored:
        stored = self._read(f"environments/{environment}.json")
        place = self._place(f"environments/{environment}.json")
        return Stored(None if stored.etag is None else _made(Shared, stored.value, place), stored.etag)

    def save_shared(self, shared: Shared, etag: str | None) -> str:
        return self._write(f"environments/{shared.environment}.json", asdict(shared), etag)

    def etags(self) -> dict[str, str]:
        """The version of every ledger, by "namespace/name": one list."""
        return {key.removeprefix(_LEDGERS).removesuffix(".json"): etag for key, etag in self._listed(_LEDGERS)}

    def all(self) -> tuple[Ledger, ...]:
        """Every ledger of the bucket: one list, one read each. Raises an ExceptionGroup of UserError, too."""
        found, mistakes = self.readable()
        if mistakes:
            raise ExceptionGroup("some ledgers cannot be read", mistakes)
        return found

    def readable(self) -> tuple[tuple[Ledger, ...], tuple[UserError, ...]]:
        """(those that can be read, what is wrong with the others)."""
        found: list[Ledger] = []
        mistakes: list[UserError] = []
        for key, _ in self._listed(_LEDGERS):
            try:
                stored = self._ledger(key)
            except UserError as error:
                mistakes.append(error)
            else:
                found += [stored.value] if stored.value else []
        return tuple(found), tuple(mistakes)

    def load_vanished(self, source: str) -> Stored:
        """What is remembered of the documents that a source has no more; nothing at first."""
        stored = self._read(_source_key(source))
        memory = Vanished() if stored.etag is None else _made(Vanished, stored.value, self._place(_source_key(source)))
        return Stored(memory, stored.etag)

    def save_vanished(self, source: str, memory: Vanished, etag: str | None) -> str:
        sets = {"confirmed": sorted(memory.confirmed), "emptied": sorted(memory.emptied)}
        value = {"source": source, **asdict(memory), **sets}
        return self._write(_source_key(source), value, etag)

    def braked_sources(self) -> tuple[str, ...]:
        """Names of the sources of which something is remembered."""
        stored = [self._read(key) for key, _ in self._listed("sources/")]
        values = [cast(dict[str, Any], each.value) for each in stored if isinstance(each.value, dict)]
        return tuple(str(each["source"]) for each in values if "source" in each)

    def _ledger(self, key: str) -> Stored:
        stored = self._read(key)
        if stored.etag is None:
            return stored
        ledger = ledger_in(stored.value, self._place(key))
        if _ledger_key(ledger.namespace, ledger.name) != key:
            raise not_as_left(f"{self._place(key)} is the ledger of {ledger.namespace}/{ledger.name}")
        return replace(stored, value=ledger)

    def _place(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    def _listed(self, prefix: str) -> list[tuple[str, str]]:
        """(key, ETag) of each object there."""
        listed = self._driver.make(Call("s3", "ListObjectsV2", {"Bucket": self._bucket, "Prefix": prefix}))
        return [(item["Key"], item["ETag"]) for item in listed.get("Contents", ())]

    def _read(self, key: str) -> Stored:
        try:
            reply = self._driver.make(Call("s3", "GetObject", {"Bucket": self._bucket, "Key": key}))
        except Failure as failure:
            if failure.meaning == "absent" and failure.code != "NoSuchBucket":
                return Stored(None, None)
            raise
        try:
            return Stored(json.loads(reply["Body"]), reply["ETag"])
        except ValueError as error:
            raise not_as_left(f"{self._place(key)} is no JSON: {error}") from error

    def _write(self, key: str, value: Mapping[str, Any], etag: str | None) -> str:
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body = json.dumps(value, sort_keys=True, indent=1).encode()
        arguments = {"Bucket": self._bucket, "Key": key, "Body": body, "ContentType": "application/json"} | condition
        try:
            return self._driver.make(Call("s3", "PutObject", arguments, repeat="safe"))["ETag"]
        except Failure as failure:
            if failure.meaning in ("conflict", "absent"):
                raise Conflict(f"{key} was written by somebody else since it was read") from failure
            raise


def _ledger_key(namespace: str, name: str) -> str:
    return f"{_LEDGERS}{namespace}/{name}.json"


def _source_key(source: str) -> str:
    return f"sources/{hashlib.sha256(source.encode()).hexdigest()[:16]}.json"


@cache
def _reader(of: type[Any]) -> TypeAdapter[Any]:
    """Takes each field by its type, and refuses one that it does not know: the next write would lose it."""
    return TypeAdapter(of)


def ledger_in(value: object, place: str = "") -> Ledger:
    """A ledger from JSON's values. place: where they stood. Raises UserError where they are none."""
    return _made(Ledger, value, place)


def _made(of: type[Any], value: object, place: str) -> Any:
    try:
        return _reader(of).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise not_as_left(f"{place}: {where}: {first['msg']}".removeprefix(": ")) from error


def not_as_left(message: str) -> UserError:
    """Somebody else wrote a record of ours, or a later trimtab did. Nothing is done about the deployment meanwhile."""
    return UserError(
        message,
        code="TT3013", reason="LedgerEdited",
        fix="put its last version back, or delete it: it is made anew from the tags of what exists, without its history",
    )  # fmt: skip
