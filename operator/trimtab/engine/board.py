"""What is to be done about every deployment, from what all sources declare and what is known of before. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from trimtab.core.errors import Position, UserError
from trimtab.engine.declared import Declared, Listing
from trimtab.engine.hearing import names_of
from trimtab.engine.ledger import Ledger, Provenance


@dataclass(frozen=True, slots=True)
class Known:
    """A deployment that exists, by its ledger."""

    environment: str
    source: str  # name of the source that declared it last; "" for one that a person applied
    file: str
    names: frozenset[str] = frozenset()  # of its resources, as events have them
    generation: int = 0

    @classmethod
    def by(cls, ledger: Ledger, seen: frozenset[str] = frozenset()) -> "Known":
        """What its ledger says of it. seen: as `names_in` has them, once it was looked at."""
        origin = ledger.provenance or Provenance("", "")
        return cls(ledger.environment, origin.source, origin.file, names_of(ledger) | seen, ledger.generation)


@dataclass(frozen=True, slots=True)
class Make:
    """Make the document true."""

    declared: Declared
    source: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep true what was declared last, from memory: its source cannot say anything better now."""

    source: str
    because: str
    mistakes: tuple[UserError, ...] = ()


@dataclass(frozen=True, slots=True)
class Vanish:
    """Its source has it no more: what becomes of it is for the brake, and for policy.deletion."""

    source: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing can be done: there is nothing of it yet, and what is declared cannot be taken."""

    source: str
    mistakes: tuple[UserError, ...]


Task: TypeAlias = Make | Keep | Vanish | Refuse


@dataclass(frozen=True, slots=True)
class Configured:
    """A source as the operator's configuration has it."""

    name: str
    namespaces: frozenset[str] = frozenset()  # for which it may speak; empty: for all


@dataclass(frozen=True, slots=True)
class Board:
    """What all sources say now, and what is known of before.

    listings: by the source's name; a source that was not read yet, or not this time, has its last one, or None.
    """

    sources: tuple[Configured, ...]
    environments: frozenset[str]
    listings: Mapping[str, Listing | None] = field(default_factory=dict[str, Listing | None])
    known: Mapping[str, Known] = field(default_factory=dict[str, Known])

    def tasks(self) -> dict[str, Task]:
        """One for each deployment that a source declares or has declared. Others are nobody's here."""
        claims = self._claims()
        found: dict[str, Task] = {}
        for key, sources in claims.items():
            found[key] = self._claimed(key, sources)
        for key, source, mistakes in self._unreadable():
            if key in self.known:
                found.setdefault(key, Keep(source, "its file cannot be taken; the last good version stays", mistakes))
            else:
                found.setdefault(key, Refuse(source, mistakes))
        for key, known in self.known.items():
            if key not in found and any(each.name == known.source for each in self.sources):
                unread = self.listings.get(known.source) is None
                found[key] = Keep(known.source, "its source was not read yet") if unread else Vanish(known.source)
        return dict(sorted(found.items()))

    def _claims(self) -> dict[str, list[Configured]]:
        claims: dict[str, list[Configured]] = {}
        for source in self.sources:
            listing = self.listings.get(source.name)
            for key in listing.declared if listing else ():
                claims.setdefault(key, []).append(source)
        return claims

    def _claimed(self, key: str, sources: list[Configured]) -> Task:
        known = self.known.get(key)
        owner = next((each for each in sources if known and each.name == known.source), sources[0])
        declared = self._declared(owner.name, key)
        mistakes = tuple(self._mistakes(key, owner, sources, declared))
        if not mistakes:
            return Make(declared, owner.name)
        if known is None:
            return Refuse(owner.name, mistakes)
        is_owned = known.source == owner.name
        if is_owned and len(sources) > 1 and not tuple(self._mistakes(key, owner, [owner], declared)):
            return Make(declared, owner.name)  # the other one is told; this one was first
        return Keep(owner.name, "what is declared cannot be taken; the last good version stays", mistakes)

    def _mistakes(self, key: str, owner: Configured, sources: list[Configured], declared: Declared) -> Iterator[UserError]:
        place = declared.document.positions.of("metadata.name")
        known = self.known.get(key)
        if len(sources) > 1:
            yield twice(key, [self._declared(each.name, key) for each in sources], [each.name for each in sources], place)
        if owner.namespaces and declared.deployment.metadata.namespace not in owner.namespaces:
            allowed, asked = ", ".join(sorted(owner.namespaces)), declared.deployment.metadata.namespace
            yield UserError(
                f"{owner.name} may not speak for the namespace {asked}; it may for {allowed}",
                position=declared.document.positions.of("metadata.namespace"),
                code="TT3012",
                reason="NamespaceRefused",
                fix="move the document, or allow the namespace in the operator's configuration",
            )
        if declared.environment not in self.environments:
            served = ", ".join(sorted(self.environments)) or "none"
            yield UserError(
                f"this operator does not serve the environment {declared.environment}; it serves {served}",
                position=declared.document.positions.of("spec.environmentRef.name"),
                code="TT3005",
                reason="EnvironmentMissing",
                fix="add it to spec.environments of the operator's configuration, or name another",
            )
        elif known is not None and known.environment != declared.environment:
            yield UserError(
                f"{key} has resources in the environment {known.environment}",
                position=declared.document.positions.of("spec.environmentRef.name"),
                code="TT3001",
                reason="EnvironmentMoved",
                fix="delete the deployment there first, or give this one another name",
            )

    def _declared(self, source: str, key: str) -> Declared:
        listing = self.listings[source]
        assert listing is not None
        return listing.declared[key]

    def _unreadable(self) -> Iterator[tuple[str, str, tuple[UserError, ...]]]:
        """(key, source, mistakes) of what stands, or stood, in files that cannot be taken."""
        for source in self.sources:
            listing = self.listings.get(source.name)
            for refused in listing.refused if listing else ():
                stood = {key for key, each in self.known.items() if (each.source, each.file) == (source.name, refused.file)}
                for key in sorted(stood | refused.keys):
                    yield key, source.name, refused.mistakes


def twice(key: str, declared: list[Declared], sources: list[str], place: Position) -> UserError:
    """One document in two sources."""
    places = " and ".join(f"{source} ({each.file})" for source, each in zip(sources, declared, strict=True))
    return UserError(
        f"{key} is declared by {places}",
        position=place,
        code="TT3011",
        reason="DeclaredTwice",
        fix="remove it from all but one of them",
    )


def changed(before: Mapping[str, Task], now: Mapping[str, Task]) -> frozenset[str]:
    """Keys whose task is another than before."""
    return frozenset(key for key in before.keys() | now.keys() if _gist(before.get(key)) != _gist(now.get(key)))


Gist: TypeAlias = tuple[Literal["make", "keep", "vanish", "refuse", ""], str, str]


def _gist(task: Task | None) -> Gist:
    """A task by what tells it from another of the same key."""
    match task:
        case Make(declared, source):
            return "make", source, declared.mark
        case Keep(source, because, mistakes):
            return "keep", source, because + "".join(map(str, mistakes))
        case Vanish(source):
            return "vanish", source, ""
        case Refuse(source, mistakes):
            return "refuse", source, "".join(map(str, mistakes))
        case None:
            return "", "", ""
