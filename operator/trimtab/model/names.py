"""Which deployments a text names, as far as it can be read: for completion, and for refused files. Light to import."""

from trimtab.core.errors import UserError
from trimtab.model.yaml_loader import read


def names_in(text: bytes, file: str) -> frozenset[str]:
    """ "<namespace>/<name>" of what looks like a ModelDeployment. A text that cannot be read names nothing."""
    try:
        trees = read(text, file)
    except UserError:
        return frozenset()
    found: set[str] = set()
    for tree in trees:
        match tree.value:
            case {"kind": "ModelDeployment", "metadata": {"name": str(name), **rest}}:
                found.add(f"{rest.get('namespace', 'default')}/{name}")
            case _:
                pass
    return frozenset(found)
