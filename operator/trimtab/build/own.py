"""An image as a Dockerfile describes it: a layer of packages, one for each COPY, and a configuration over the base's.

What the image is run with is not in it: the platform gives the argument `serve`, user and read-only root.
Source: OCI image specification, image configuration; Dockerfile reference (ENTRYPOINT drops the base's CMD).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.build.image import PACKAGES, REQUIREMENTS_LABEL, Image, image_of, is_host
from trimtab.build.layers import Layer, layer
from trimtab.core.errors import UserError
from trimtab_container.dockerfile import Copy, Recipe

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where an image sets none


def assemble_own(
    base_manifest: Mapping[str, Any],
    base_config: Mapping[str, Any],
    recipe: Recipe,
    files: Mapping[str, Path],
    lock: str,
    packages: Mapping[str, Path | bytes],
    labels: Mapping[str, str],
) -> Image:
    """Put an image together. Equal inputs give equal bytes.

    files: the folder's, by path. lock: what the recipe installs, with hashes; "" for nothing. packages: the same installed,
    programs below "bin/"; empty on a host base, where the lock is a label. Raises UserError for what the base does not allow.
    """
    _check(base_config, recipe)
    programs = frozenset(f"{PACKAGES}/{path}" for path in packages if path.startswith("bin/"))
    wheels = layer({f"{PACKAGES}/{path}": source for path, source in packages.items()}, programs) if packages else None
    layers = tuple(each for each in (wheels, *(_layer(copy, files) for copy in recipe.copies), _folder(recipe)) if each)
    inside = _inside(base_config, recipe, lock, labels, has_packages=bool(packages))
    return image_of(base_manifest, base_config, layers, inside)


def _layer(copy: Copy, files: Mapping[str, Path]) -> Layer:
    sources = {target: files[source] for target, source in copy.files.items()}
    return layer(sources, mode=copy.mode, owner=copy.owner, owned=copy.folder)


def _folder(recipe: Recipe) -> Layer | None:
    """WORKDIR, where no COPY makes it."""
    name = recipe.folder.lstrip("/")
    above = {str(parent) for copy in recipe.copies for path in copy.files for parent in Path(path).parents}
    return layer({}, folders=(name,)) if name and name not in above else None


def variables_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of an image, by name, in its order."""
    variables: list[str] = config.get("config", {}).get("Env") or []
    split = (each.partition("=") for each in variables)
    return {name: value for name, _, value in split}


def _inside(
    base: Mapping[str, Any], recipe: Recipe, lock: str, labels: Mapping[str, str], *, has_packages: bool
) -> dict[str, Any]:
    inside: dict[str, Any] = dict(base.get("config", {}))
    variables = variables_of(base) | dict(recipe.environment)
    if has_packages:
        variables |= _where_packages_are(variables)
    before: dict[str, str] = inside.get("Labels") or {}
    locks = [part for part in (before.get(REQUIREMENTS_LABEL, "").rstrip("\n"), lock.rstrip("\n")) if part]
    inside["Env"] = [f"{name}={value}" for name, value in variables.items()]
    inside["Labels"] = {**before, **recipe.labels, **labels, REQUIREMENTS_LABEL: "".join(f"{part}\n" for part in locks)}
    ports: dict[str, Any] = inside.get("ExposedPorts") or {}
    inside["ExposedPorts"] = ports | {port: {} for port in recipe.ports}
    if recipe.entrypoint is not None:
        inside["Entrypoint"] = list(recipe.entrypoint)
        inside.pop("Cmd", None)
    if recipe.command is not None:
        inside["Cmd"] = list(recipe.command)
    inside["WorkingDir"] = recipe.folder or inside.get("WorkingDir", "")
    inside["User"] = recipe.user or inside.get("User", "")
    return {name: value for name, value in inside.items() if value not in ("", {}, [])}


def _where_packages_are(variables: Mapping[str, str]) -> dict[str, str]:
    """Behind the user's own modules, before the base's programs: as they would be found where pip puts them."""
    mine, path = variables.get("PYTHONPATH"), variables.get("PATH") or _PATH
    return {"PYTHONPATH": f"{mine}:/{PACKAGES}" if mine else f"/{PACKAGES}", "PATH": f"/{PACKAGES}/bin:{path}"}


def _check(base: Mapping[str, Any], recipe: Recipe) -> None:
    if recipe.entrypoint is None and not base.get("config", {}).get("Entrypoint"):
        raise _cannot(
            "neither the Dockerfile nor its base has an ENTRYPOINT: the image is run with the argument serve alone",
            'write ENTRYPOINT ["python3", "/opt/program/server.py"]',
        )
    if not is_host(base):
        return
    for copy in recipe.copies:
        outside = next((path for path in copy.files if not path.startswith("opt/")), "")
        if outside:
            raise _cannot(
                f"line {copy.place[0]} of the Dockerfile copies to /{outside}, but the local cloud runs images without a "
                "container engine: files lie below /opt only",
                "copy to /opt/program/",
            )
    if recipe.folder not in ("", "/") and not f"{recipe.folder}/".startswith("/opt/"):
        raise _cannot(f"WORKDIR {recipe.folder} is outside /opt, which the local cloud cannot give", "write /opt/program")


def _cannot(text: str, fix: str) -> UserError:
    return UserError(text, code="TT4004", reason="ImageFailed", fix=fix)
