"""The words every layer shares about one kind of outside resource.

A kind holds no client. It yields a `Call` (or a `Batch` of them, or a `Transfer`) and is sent the reply, so one driver
owns rates, retries, paging, tracing, counting, dry run and crash points, and plain values test every kind.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from operator import is_not
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

T = TypeVar("T")
D = TypeVar("D", contravariant=True)
O = TypeVar("O")  # noqa: E741 - "observed", beside D for "desired"

Meaning: TypeAlias = Literal[
    "absent",  # proven: the service says that there is no such thing
    "exists",  # a create was refused, since the name is taken
    "busy",  # cannot be changed or deleted yet: in use, draining, still being made
    "conflict",  # somebody else changed it after we looked (a failed condition)
    "denied",
    "throttled",
    "quota",
    "transient",  # 5xx, time-out, not yet visible
    "invalid",  # the service refuses the request as it stands
    "unlisted",  # a code that the table does not know: a bug of ours
]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the outside, not yet made."""

    service: str  # botocore's name: "ecs", "elbv2", "apigateway"
    operation: str  # the service's own name for it: "CreateService"
    arguments: Mapping[str, Any]
    repeat: Literal["read", "safe", "once"] = "read"  # what a second try does; the SDK's retries follow
    pages: Literal["one", "all"] = "all"  # of a read: the replies of all pages are joined
    secret: bool = False  # the reply is never logged or journalled


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls that do not depend on one another: made in parallel, replied to in order."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Long work (an upload, an unpacking, an image) that a worker does while passes go on.

    The driver hands it to the pool and answers None at once. It is resumable: what an interrupted one left is found
    and used by the next. Its end is seen by `observe`, never by its return.
    """

    work: str  # names the worker: "upload", "unpack", "image"
    arguments: Mapping[str, Any]


class Failure(Exception):
    """A call that was answered with an error.

    Thrown into the generator of a kind for a `Call`; sent as a value for one call of a `Batch`.
    """

    def __init__(self, meaning: Meaning, reason: str, *, code: str = "", operation: str = "") -> None:
        super().__init__(reason)
        self.meaning: Meaning = meaning
        self.reason = reason
        self.code = code
        self.operation = operation

    def __repr__(self) -> str:
        return f"Failure({self.meaning!r}, {self.reason!r}, code={self.code!r}, operation={self.operation!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


Reply: TypeAlias = Mapping[str, Any]
Steps: TypeAlias = Generator[Call | Batch | Transfer, Any, T]


class Caller(Protocol):
    """Makes one call; raises Failure."""

    def make(self, call: Call) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be read, and why. Never taken for absence."""

    reason: str
    meaning: Meaning = "transient"  # a denied read needs a person; any other is looked at again


@dataclass(frozen=True, slots=True)
class Ref:
    """A value that only a live parent has, such as an ARN with a random suffix.

    It stands in a Desired in place of the value. Plan resolves it from the parent's Observed, or waits for the parent.
    """

    node: str  # id of the parent node
    field: str  # attribute of the parent's Observed

    def __str__(self) -> str:
        return f"(known after {self.node})"


@dataclass(frozen=True, slots=True)
class Difference:
    """A live field that is not as declared, in the provider's spelling. Only the spec's are repaired."""

    path: str
    have: object
    want: object
    owner: Literal["spec", "autoscaler", "rollout", "provider"] = "spec"
    remedy: Literal["update", "replace", "refuse"] = "update"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far long work is."""

    done: int
    total: int  # 0: not known
    unit: str  # "bytes", "files", "tasks", "epochs"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The resource is as the platform will leave it."""


@dataclass(frozen=True, slots=True)
class Moving:
    """The platform is still at work on it: a pass ends here and looks again."""

    because: str
    look_again_s: float = 5.0
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """It ended badly. An outcome, no error; `again` says that another attempt may help without an edit."""

    reason: str  # CamelCase, from model/reasons.py
    because: str
    again: bool = False


State: TypeAlias = Settled | Moving | Broken


@dataclass(frozen=True, slots=True)
class Right:
    """One permission that a verb of a kind needs."""

    action: str  # "ecs:UpdateService"
    resource: str  # ARN pattern with {partition}, {region}, {account} and {name}; "*" only where AWS has no finer one
    conditions: Mapping[str, str] = field(default_factory=dict[str, str])


Verb: TypeAlias = Literal["observe", "create", "update", "delete"]


class Kind(Protocol[D, O]):
    """One kind of outside resource. Promises: bulk, idempotent, never blocks, absence proven."""

    @property
    def name(self) -> str: ...  # "ecs.Service"

    @property
    def rank(self) -> int: ...  # deletes run high to low, whichever graph made the thing

    @property
    def rights(self) -> Mapping[Verb, tuple[Right, ...]]: ...

    def identity(self, desired: D) -> str:
        """What finds it: a name, or parent and name joined by "|". All that the ledger keeps of a stale one."""
        ...

    def observe(self, wanted: Sequence[str]) -> Steps[Mapping[str, O | Unknown]]:
        """Read those identities in bulk. What is not in the result is proven absent."""
        ...

    def tags(self, observed: Sequence[O]) -> Steps[Sequence[Mapping[str, str] | Unknown]]:
        """Read the tags of each, in order; without a call where the bulk read gave them."""
        ...

    def state(self, desired: D, observed: O) -> State: ...

    def diff(self, desired: D, observed: O) -> tuple[Difference, ...]:
        """What is not as declared, tags aside (those the engine compares)."""
        ...

    def create(self, desired: D) -> Steps[None]: ...

    def update(self, desired: D, observed: O, drift: Sequence[Difference]) -> Steps[None]:
        """Repair those differences; one with path "tags" has whole maps in `have` and `want`."""
        ...

    def delete(self, observed: O) -> Steps[None]: ...


AnyKind: TypeAlias = Kind[Any, Any]


class Tagged(Protocol):
    """A Desired whose resource carries tags."""

    @property
    def tags(self) -> Mapping[str, str]: ...


# --- owner tags -----------------------------------------------------------------------------------------------------

UID, DEPLOYMENT, KEY, ENVIRONMENT = (
    "trimtab.dev/uid",
    "trimtab.dev/deployment",
    "trimtab.dev/key",
    "trimtab.dev/environment",
)

# On what each release makes anew, with its create alone: never a difference, since a commit may say nothing new of it.
VERSION = "trimtab.dev/version"

# On the log group alone, whose name tells the deployment: what a person or the platform decided, for a lost ledger.
HOLD, QUARANTINE = "trimtab.dev/hold", "trimtab.dev/quarantine"
_MARKS = 16  # keys in a tag: its value has at most 256 characters


def mark_of(keys: Sequence[str]) -> str:
    """Generation keys, oldest first, as the value of a tag: 12 digits each, the newest sixteen."""
    return "/".join(key[:12] for key in keys[-_MARKS:])


def marks_in(value: str) -> tuple[str, ...]:
    """The keys (12 digits each, oldest first) in the value of a tag."""
    return tuple(key for key in value.split("/") if key)


def owner_in(tags: Mapping[str, str]) -> str | None:
    """The uid in our owner tag, or None for what is not ours."""
    return tags.get(UID)


def tags_made(tags: Mapping[str, str], version: str) -> dict[str, str]:
    """The tags that a create gives. version: of the document, as its source calls it; "" where that has no name for it."""
    return {**tags, **({VERSION: version} if version else {})}


def tag_list(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Spell tags as AWS's list of pairs, sorted. Some services write the two words in lower case."""
    return [{key: name, value: tags[name]} for name in sorted(tags)]


def tag_map(pairs: Sequence[Mapping[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Read AWS's list of pairs."""
    return {pair[key]: pair.get(value, "") for pair in pairs}


# --- helpers for kinds ----------------------------------------------------------------------------------------------


def differences(*triples: tuple[str, object, object]) -> tuple[Difference, ...]:
    """Compare (path, have, want) triples; a `want` not known yet (a Ref) is no difference."""
    return tuple(
        Difference(path, have=have, want=want) for path, have, want in triples if have != want and not isinstance(want, Ref)
    )


def refs_in(desired: object) -> tuple[Ref, ...]:
    """Every Ref inside a Desired: dataclasses, mappings and sequences are walked."""
    found: list[Ref] = []
    _collect(desired, found)
    return tuple(found)


def resolved(desired: T, values: Mapping[Ref, object]) -> T:
    """Put known values in place of Refs; those not in `values` stay."""
    return cast(T, _resolve(desired, values))


_LEAVES = frozenset({str, int, float, bool, type(None)})  # nearly all that a Desired is made of


def _collect(value: object, found: list[Ref]) -> None:
    if type(value) is Ref:
        found.append(value)
        return
    for child in _children(value):
        if type(child) not in _LEAVES:
            _collect(child, found)


def _children(value: object) -> Iterable[object]:
    if names := _field_names(type(value)):  # before the others: whether something is a Mapping is slow to tell
        return [getattr(value, name) for name in names]
    if isinstance(value, (tuple, list)):
        return cast(Sequence[object], value)
    return cast(Mapping[object, object], value).values() if isinstance(value, (dict, Mapping)) else ()


@cache
def _field_names(of: type) -> tuple[str, ...]:
    """Of a dataclass; none of any other type."""
    return tuple(each.name for each in fields(of)) if is_dataclass(of) else ()


def _resolve(value: object, values: Mapping[Ref, object]) -> object:
    if type(value) in _LEAVES:
        return value
    if type(value) is Ref:
        return values.get(value, value)
    if names := _field_names(type(value)):
        before = {name: getattr(value, name) for name in names}
        changed = {name: now for name, each in before.items() if (now := _resolve(each, values)) is not each}
        return replace(cast(Any, value), **changed) if changed else value
    if isinstance(value, tuple):
        now = tuple(_resolve(child, values) for child in cast(tuple[object, ...], value))
        return now if any(map(is_not, now, cast(tuple[object, ...], value))) else cast(object, value)
    if isinstance(value, (dict, Mapping)):
        mapping = cast(Mapping[object, object], value)
        children = {key: _resolve(child, values) for key, child in mapping.items()}
        return children if any(map(is_not, children.values(), mapping.values())) else mapping
    return value


@dataclass(frozen=True, slots=True)
class Run(Generic[T]):
    """What a kind did when it was driven with canned answers; see `run_steps`."""

    calls: tuple[Call | Batch | Transfer, ...]
    result: T | None


def run_steps(steps: Steps[T], answers: Sequence[object] = ()) -> Run[T]:
    """Drive a generator with canned answers, for tests and dry runs.

    answers: one per yielded step, in order; a Failure is raised inside the generator, and a step past the last answer
    is sent an empty mapping.
    """
    calls: list[Call | Batch | Transfer] = []
    remaining = list(answers)
    try:
        step = next(steps)
        while True:
            calls.append(step)
            answer: object = remaining.pop(0) if remaining else dict[str, Any]()
            step = steps.throw(answer) if isinstance(answer, Failure) else steps.send(answer)
    except StopIteration as end:
        return Run(tuple(calls), cast(T, end.value))
