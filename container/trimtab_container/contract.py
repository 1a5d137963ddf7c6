"""SageMaker's training contract: what the platform writes before it starts a container, and what a script is given.

Source: Amazon SageMaker Developer Guide, "How Amazon SageMaker provides training information"; the SM_* variables are those
of the training toolkit and of SDK v3, which differ in how they spell a hyphen: both spellings are set.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab_container.paths import Paths

OURS = ("code", "trimtab")  # channels that carry our own files, not data
_PLATFORMS_OWN = ("sagemaker_", "_")  # hyper-parameters of SageMaker itself: not for the script


class ContractError(ValueError):
    """What the platform wrote cannot be read."""


@dataclass(frozen=True)
class Job:
    """One training job, as this host sees it."""

    hyperparameters: Mapping[str, str]  # the script's own
    channels: tuple[str, ...]
    hosts: tuple[str, ...]
    host: str

    @property
    def rank(self) -> int:
        return self.hosts.index(self.host)


def read_job(paths: Paths) -> Job:
    """Read the three configuration files; each may be missing. Raises ContractError."""
    parameters = _read(paths.config / "hyperparameters.json")
    inputs = _read(paths.config / "inputdataconfig.json")
    resources = _read(paths.config / "resourceconfig.json")
    found = sorted(each.name for each in paths.data.iterdir() if each.is_dir()) if paths.data.is_dir() else []
    channels = tuple(name for name in (sorted(inputs) or found) if name not in OURS)
    hosts = tuple(sorted(resources.get("hosts", ["algo-1"])))
    host = str(resources.get("current_host", hosts[0]))
    if host not in hosts:
        raise ContractError(f"resourceconfig.json: current_host {host!r} is not among hosts {hosts}")
    return Job(
        {name: _text(value) for name, value in sorted(parameters.items()) if _is_script_s(name)}, channels, hosts, host
    )


def variables(job: Job, paths: Paths, code: Path, cpus: int) -> dict[str, str]:
    """The SM_* variables of a script. `cpus`: how many it may use."""
    given = {name: str(paths.data / name) for name in job.channels}
    values = {
        "SM_MODEL_DIR": str(paths.model),
        "SM_INPUT_DIR": str(paths.input),
        "SM_INPUT_CONFIG_DIR": str(paths.config),
        "SM_OUTPUT_DIR": str(paths.output),
        "SM_OUTPUT_DATA_DIR": str(paths.output_data),
        "SM_CHECKPOINT_DIR": str(paths.checkpoints),
        "SM_MODULE_DIR": str(code),
        "SM_SOURCE_DIR": str(code),
        "SM_CHANNELS": json.dumps(list(job.channels)),
        "SM_HPS": json.dumps(dict(job.hyperparameters)),
        "SM_HOSTS": json.dumps(list(job.hosts)),
        "SM_HOST_COUNT": str(len(job.hosts)),
        "SM_CURRENT_HOST": job.host,
        "SM_CURRENT_HOST_RANK": str(job.rank),
        "SM_NUM_CPUS": str(cpus),
        "SM_NUM_GPUS": str(_gpus()),
    }
    values |= {f"SM_CHANNEL_{_upper(name)}": folder for name, folder in given.items()}
    for name, value in job.hyperparameters.items():
        values |= {f"SM_HP_{name.upper()}": value, f"SM_HP_{_upper(name)}": value}
    return values


def arguments(job: Job) -> list[str]:
    """Hyper-parameters as the script's arguments: each name and value is one word, whatever is in it."""
    return [word for name, value in job.hyperparameters.items() for word in (f"--{name}", value)]


def usable_cpus() -> int:
    """Processors this process may use, the control group's quota counted in."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, int(quota) // int(period)))


def _is_script_s(name: str) -> bool:
    return not name.startswith(_PLATFORMS_OWN)


def _upper(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name).upper()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _gpus() -> int:
    return len(list(Path("/dev").glob("nvidia[0-9]*"))) if Path("/dev").is_dir() else 0


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ContractError(f"{path.name} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ContractError(f"{path.name} must be a mapping")
    return value  # pyright: ignore[reportUnknownVariableType]
