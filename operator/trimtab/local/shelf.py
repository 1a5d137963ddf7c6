"""Records of one kind: typed in memory, JSON documents in the store.

An overlay changes a record and puts it back; the put is durable before the call is answered. Reads never touch the store.
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from trimtab.local.overlay import Store

T = TypeVar("T")


class Shelf(Generic[T]):
    """All records of one kind, by key, in the order in which they were first put."""

    def __init__(self, store: Store, kind: str, record: type[T], key: Callable[[T], str]) -> None:
        self.changes = 0  # counts puts and drops: what is derived from the records can tell that it is stale
        self._store, self._kind, self._key = store, kind, key
        self._adapter: TypeAdapter[T] = TypeAdapter(record)
        self._records = {id: self._adapter.validate_python(value) for id, value in store.all(kind).items()}

    def get(self, key: str) -> T | None:
        return self._records.get(key)

    def put(self, record: T) -> None:
        self.changes += 1
        key = self._key(record)
        self._store.put(self._kind, key, self._adapter.dump_python(record, mode="json"))
        self._records[key] = record

    def drop(self, key: str) -> None:
        self.changes += 1
        if self._records.pop(key, None) is not None:
            self._store.delete(self._kind, key)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)
