"""The image that a model's own Dockerfile describes, assembled without a daemon."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.build.image import Image, is_host
from trimtab.build.own import assemble_own, variables_of
from trimtab.core.errors import UserError
from trimtab.engine.transfers import Report
from trimtab.engine.workers.packages import PYTHON, installed, locked, scripts
from trimtab_container.dockerfile import BASE_ARGUMENT, Recipe
from trimtab_container.dockerfile.read import read_dockerfile


def own_image(
    arguments: Mapping[str, Any],
    files: Mapping[str, Path],
    base_manifest: Mapping[str, Any],
    base_config: Mapping[str, Any],
    labels: Mapping[str, str],
    *,
    folder: Path,
    report: Report,
) -> Image:
    """Build it. arguments: as ecr.Image yields them. files: those of the model, by path. folder: for temporary files.

    Raises UserError.
    """
    recipe = _recipe(arguments, files, base_config)
    architecture = str(base_config.get("architecture", "amd64"))
    python = _python(variables_of(base_config))
    lock = locked(recipe.requirements, architecture, folder / "lock", report, python) if recipe.requirements else ""
    packages: dict[str, Path | bytes] = {}
    if lock and not is_host(base_config):
        packages |= (wheels := installed(lock, architecture, folder / "packages", report, python))
        packages |= {f"bin/{name}": data for name, data in scripts(list(wheels.values())).items()}
    return assemble_own(base_manifest, base_config, recipe, files, lock, packages, labels)


def _python(variables: Mapping[str, str]) -> str:
    """Which wheels a base takes: Docker's own Python images, and what stands on them, say their version."""
    found = re.match(r"3\.\d+", variables.get("PYTHON_VERSION", ""))
    return found[0] if found else PYTHON


def _recipe(arguments: Mapping[str, Any], files: Mapping[str, Path], base_config: Mapping[str, Any]) -> Recipe:
    name = arguments["dockerfile"]
    variables = variables_of(base_config)
    reading = read_dockerfile(
        files[name].read_text(errors="replace"), sorted(files), lambda path: files[path].read_bytes(),
        file=name, arguments={BASE_ARGUMENT: arguments["base"]},
        base_environment=variables,
    )  # fmt: skip
    if reading.recipe is None:  # it was read before; only the base's variables can make another of it
        first = reading.mistakes[0]
        raise UserError(
            f"{first.file}:{first.line}:{first.column}: {first.text}", code="TT4004", reason="ImageFailed", fix=first.fix
        )
    return reading.recipe
