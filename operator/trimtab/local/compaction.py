"""Which requests of the neighbours' journal need not be made again: those of S3 whose effect is gone.

An object is written over and over (a ledger, a status) or deleted, and its bytes need not be kept. Liveness, as a compiler
finds dead stores: walked from the last request to the first, a request that gives a key a whole new content is needed only
if that content is still there, or was copied. Whatever is not understood is kept: a bucket with versions, locks,
notifications or access logs is left as it is, and so are objects with tags and every other service.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from trimtab.local.store import StoredRequest

_SETTINGS = {"publicAccessBlock", "encryption", "policy", "tagging", "cors", "ownershipControls", "acl", "lifecycle"}
_KINDS: Mapping[tuple[str, frozenset[str]], str] = {  # by method and names in the query
    ("PUT", frozenset()): "define",
    ("DELETE", frozenset()): "remove",
    ("PUT", frozenset({"tagging"})): "change",
    ("DELETE", frozenset({"tagging"})): "change",
    ("PUT", frozenset({"acl"})): "change",
    ("POST", frozenset({"uploads"})): "begin",
    ("PUT", frozenset({"partNumber", "uploadId"})): "part",
    ("POST", frozenset({"uploadId"})): "finish",
    ("DELETE", frozenset({"uploadId"})): "abort",
}

Key = tuple[str, str]  # bucket, key


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a request did to S3. One of: a new content, a change or the removal of keys; a step of an upload; a setting."""

    number: int
    bucket: str
    kind: str  # "define", "change", "remove", "begin", "part", "finish", "abort", "setting", "other"
    keys: tuple[Key, ...] = ()
    upload: str = ""
    part: str = ""
    source: Key | None = None
    tags: bool = False


def superfluous(requests: Sequence[StoredRequest]) -> set[int]:
    """The numbers of those that can be left out; the rest, in the same order, leads to the same buckets and objects."""
    every = [effect for each in requests if _is_s3(each) and (effect := _effect(each))]
    opaque = {effect.bucket for effect in every if effect.kind == "other"}
    effects = [effect for effect in every if effect.bucket not in opaque]
    # A copy into a bucket that is left as it is keeps its source, whatever becomes of that.
    sources = {effect.source for effect in every if effect.bucket in opaque}
    begun = {effect.upload for effect in effects if effect.kind == "begin"}
    needed = _Needed(begun, pinned=sources | _tagged(effects))
    kept = [effect for effect in reversed(effects) if needed.meets(effect)]
    kept = _without_idle_removals(list(reversed(kept)))
    return {effect.number for effect in effects} - {effect.number for effect in kept}


def _tagged(effects: Sequence[_Effect]) -> set[Key]:
    """Keys that ever had tags: moto keeps the tags of what is deleted, and a later copy or upload to the key has them."""
    tagged = set[Key]()
    for effect in effects:
        if effect.tags or effect.source in tagged:
            tagged.update(effect.keys)
    return tagged


@dataclass(slots=True)
class _Needed:
    """What later requests, and the end, still need; asked from the last request to the first."""

    begun: Collection[str]  # uploads whose beginning is known by its id
    pinned: Collection[Key | None]  # of which everything stays
    dead: set[Key] = field(default_factory=set[Key])  # whose content is given or removed by a later request
    gone: set[str] = field(default_factory=set[str])  # uploads whose result nobody needs
    parts: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])  # that were sent again later

    def meets(self, effect: _Effect) -> bool:
        if effect.kind in ("begin", "part", "finish", "abort") and effect.upload not in self.begun:
            self._read(effect.source)
            return True  # its beginning cannot be told: all of it stays
        if effect.kind == "begin":
            return effect.upload not in self.gone
        if effect.kind == "abort":
            self.gone.add(effect.upload)
            return False
        if effect.kind == "part":
            return self._meets_part(effect)
        if effect.kind in ("define", "finish", "change") and self._is_dead(effect.keys[0]):
            if effect.kind == "finish":
                self.gone.add(effect.upload)
            return False
        if effect.kind in ("define", "finish", "remove"):
            self.dead.update(effect.keys)
        self._read(effect.source)
        return True

    def _meets_part(self, effect: _Effect) -> bool:
        part = (effect.upload, effect.part)
        if effect.upload in self.gone or part in self.parts:
            return False
        self.parts.add(part)
        self._read(effect.source)
        return True

    def _is_dead(self, key: Key) -> bool:
        return key in self.dead and key not in self.pinned

    def _read(self, key: Key | None) -> None:
        if key:
            self.dead.discard(key)


def _without_idle_removals(effects: Sequence[_Effect]) -> list[_Effect]:
    """Less the removals of what is not there, now that its writing is left out."""
    there: set[Key] = set()
    kept: list[_Effect] = []
    for effect in effects:
        if effect.kind == "remove" and there.isdisjoint(effect.keys):
            continue
        if effect.kind == "remove":
            there.difference_update(effect.keys)
        elif effect.kind in ("define", "finish"):
            there.update(effect.keys)
        kept.append(effect)
    return kept


def _is_s3(request: StoredRequest) -> bool:
    scope = request.headers.get("authorization", "").partition("Credential=")[2].partition(",")[0] or dict(
        parse_qsl(request.uri.partition("?")[2])
    ).get("X-Amz-Credential", "")
    return scope.split("/")[3:4] == ["s3"]


def _effect(request: StoredRequest) -> _Effect | None:
    path, _, query = request.uri.partition("?")
    bucket, _, name = unquote(path).removeprefix("/").partition("/")
    if not bucket:
        return None
    fields = {
        name: value
        for name, value in parse_qsl(query, keep_blank_values=True)
        if not name.startswith("X-Amz-") and name != "x-id"
    }
    if not name:
        return _of_bucket(request, bucket, fields)
    return _of_key(request, (bucket, name), fields)


def _of_bucket(request: StoredRequest, bucket: str, fields: Mapping[str, str]) -> _Effect:
    named = set(fields)
    keys = _deleted(request.body) if request.method == "POST" and named == {"delete"} else ()
    if keys:
        return _Effect(request.number, bucket, "remove", tuple((bucket, key) for key in keys))
    locked = request.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true"
    if request.method in ("PUT", "DELETE") and not locked and (not named or (len(named) == 1 and named <= _SETTINGS)):
        return _Effect(request.number, bucket, "setting")
    return _Effect(request.number, bucket, "other")


def _of_key(request: StoredRequest, key: Key, fields: Mapping[str, str]) -> _Effect:
    named, upload = frozenset(fields), fields.get("uploadId", "")
    source = _source(request.headers.get("x-amz-copy-source", ""))
    kind = _KINDS.get((request.method, named), "other")
    if kind == "begin":
        upload = request.made
    tags = "tagging" in named or "x-amz-tagging" in request.headers
    return _Effect(request.number, key[0], kind, (key,), upload, fields.get("partNumber", ""), source, tags)


def _source(header: str) -> Key | None:
    bucket, _, name = unquote(header.partition("?")[0]).removeprefix("/").partition("/")
    return (bucket, name) if name else None


def _deleted(body: bytes) -> tuple[str, ...]:
    """The keys of a DeleteObjects that is unconditional; none for any other."""
    try:
        tree = ElementTree.fromstring(body)  # noqa: S314 - moto has parsed it before
    except ElementTree.ParseError:
        return ()
    objects = [each for each in tree if each.tag.endswith("Object")]
    plain = all([child.tag.rpartition("}")[2] for child in each] == ["Key"] for each in objects)
    return tuple(each[0].text or "" for each in objects) if plain else ()
