"""Where each field of a document stands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from trimtab.core.errors import Position


@dataclass(frozen=True, slots=True)
class Positions:
    """Places by field path: "spec.training.instances.count", "spec.evaluation.gates[0].metric"."""

    values: Mapping[str, Position]
    keys: Mapping[str, Position]
    file: str

    def of(self, path: str) -> Position:
        """Where the value stands; for one that is not written, its nearest parent. `field` is always the path asked for."""
        nearest = path
        while nearest and nearest not in self.values:
            nearest = nearest.rpartition("[" if nearest.endswith("]") else ".")[0]
        return replace(self.values.get(nearest, Position(self.file)), field=path)

    def of_key(self, path: str) -> Position:
        """Where the field's name stands; for one that is not written, its nearest parent."""
        return replace(self.keys.get(path, self.of(path)), field=path)

    def has(self, path: str) -> bool:
        """Whether the field is written out."""
        return path in self.values
