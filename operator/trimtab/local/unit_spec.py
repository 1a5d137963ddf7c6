"""What a supervisor is told about a unit: words, variables, mounts. With a namespace, and without."""

import re
import shutil
from pathlib import Path
from typing import Any

from trimtab.local.overlay import Unit
from trimtab.local.unpacking import Layout, Unusable

_OURS = ("ml", "trimtab", "program")  # what an image has in /opt by contract
_IN_OPT = re.compile(rf"(?<![\w./-])/opt/({'|'.join(_OURS)})(?![\w.-])")
_PATH = "/usr/local/bin:/usr/bin:/bin"


def spec_of(unit: Unit, layout: Layout, place: Path, environment: Path, cpus: int, *, namespace: bool) -> dict[str, Any]:
    """The content of spec.json; `place`/root already holds the image's files. Raises Unusable.

    environment: the virtual environment whose programs come first. cpus: how many processors there are to use.
    """
    root = place / "root"
    for name in ("opt/ml", "opt/trimtab"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("home", "tmp", "empty"):
        (place / name).mkdir(exist_ok=True)
    binds = _mounts(unit, root, environment, namespace=namespace)
    variables = _variables(unit, layout, place, environment, cpus)
    command = _command(unit, layout)
    folder = layout.folder
    if not namespace:
        # Before the rewriting: a name that the unit was given wins.
        if (root / "opt/program").is_dir():
            variables.setdefault("TRIMTAB_CODE_DIR", "/opt/program")
        variables.setdefault("SAGEMAKER_BASE_DIR", "/opt/ml")
        variables = {name: rewritten(value, root) for name, value in variables.items()}
        command = [rewritten(word, root) for word in command]
        folder = rewritten(folder, root)
    return {
        "command": command,
        "environment": variables,
        "cwd": folder,
        "log": str(unit.log.absolute()),
        "namespace": namespace,
        "opt": str(root / "opt"),
        "binds": [*binds, *_machines_own(root / "opt"), *_hidden(place / "empty")] if namespace else [],
    }


def rewritten(text: str, root: Path) -> str:
    """A word or a variable with the paths of the contract as they are on this machine; lists with ":" too."""
    return _IN_OPT.sub(lambda match: f"{root}{match[0]}", text)


def _command(unit: Unit, layout: Layout) -> list[str]:
    """An entry point in place of the image's drops the image's own arguments, as with any container engine."""
    if unit.entrypoint:
        return [*unit.entrypoint, *unit.command]
    words = [*layout.entrypoint, *(unit.command or layout.command)]
    if not words:
        raise Unusable(f"{unit.image} has no entry point, and no command was given")
    return words


def _variables(unit: Unit, layout: Layout, place: Path, environment: Path, cpus: int) -> dict[str, str]:
    """Nothing of the gateway's own environment: a unit must not see the user's credentials."""
    basis = {"LANG": "C.UTF-8", "TZ": "UTC", "OMP_NUM_THREADS": str(cpus)}
    # A machine that is an EC2 instance would hand a unit its own role.
    basis |= {"AWS_EC2_METADATA_DISABLED": "true"} | ({"TRIMTAB_BIND_ADDRESS": unit.address} if unit.address else {})
    fixed = {"PATH": f"{environment}/bin:{_PATH}", "HOME": str(place / "home"), "TMPDIR": str(place / "tmp")}
    return basis | dict(layout.environment) | dict(unit.environment) | fixed


def _mounts(unit: Unit, root: Path, environment: Path, *, namespace: bool) -> list[list[str]]:
    """Mounts as (target, source), outermost first. Without a namespace they are links, and there are none to make."""
    binds: list[list[str]] = []
    for target, source in sorted(unit.mounts.items()):
        source.mkdir(parents=True, exist_ok=True)
        inside = target == "/opt" or target.startswith("/opt/")
        if ".." in Path(target).parts or target == "/opt":
            raise Unusable(f"nothing can be mounted on {target}")
        if inside:
            place = root / target.lstrip("/")
            _make_way(place, source, linked=not namespace)
            binds.append([str(place), str(source)])
        elif not namespace or not Path(target).is_dir():
            raise Unusable(f"nothing can be mounted on {target} here: only below /opt, or on a folder that this machine has")
        elif any(path.is_relative_to(target) for path in (root, environment, unit.log.absolute(), source)):
            raise Unusable(f"a mount on {target} would hide the unit's own files, which lie there on this machine")
        else:
            binds.append([target, str(source)])
    return binds


def _make_way(place: Path, source: Path, *, linked: bool) -> None:
    """A folder to mount on; where nothing can be mounted, a link, unless it lies in one that is mounted already."""
    if not linked:
        place.mkdir(parents=True, exist_ok=True)
        return
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(source.absolute())


def _machines_own(opt: Path) -> list[list[str]]:
    """What this machine has in /opt, kept beside the image's: an interpreter may lie there."""
    binds: list[list[str]] = []
    for each in sorted(Path("/opt").iterdir()):
        place = opt / each.name
        if each.name in _OURS or place.exists():
            continue
        if each.is_symlink():
            place.symlink_to(each.readlink())
        elif each.is_dir():
            place.mkdir()
            binds.append([str(place), str(each)])
        elif each.is_file():
            place.touch()
            binds.append([str(place), str(each)])
    return binds


def _hidden(empty: Path) -> list[list[str]]:
    """The user's AWS files: an SDK that is told another home must not find them either."""
    folder = Path.home() / ".aws"
    return [[str(folder), str(empty)]] if folder.is_dir() else []
