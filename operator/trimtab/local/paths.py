"""Where a local cloud keeps its state, and how to reach one that runs."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from trimtab.core.errors import UserError

ACCOUNT, REGION = "123456789012", "us-east-1"


@dataclass(frozen=True, slots=True)
class CloudInfo:
    """How to reach a cloud: `cloud.json` in its state folder, readable by its owner alone."""

    endpoint: str  # "http://127.0.0.1:4566"
    invoke_endpoint: str  # of API Gateway's execution
    access_key_id: str
    secret_access_key: str
    region: str
    account: str
    pid: int
    started: str  # RFC 3339


def state_folder() -> Path:
    """TRIMTAB_LOCAL_STATE, else below XDG_STATE_HOME or ~/.local/state."""
    given, base = os.environ.get("TRIMTAB_LOCAL_STATE"), os.environ.get("XDG_STATE_HOME")
    return Path(given) if given else (Path(base) if base else Path.home() / ".local" / "state") / "trimtab" / "local"


def cloud_info(folder: Path | None = None) -> CloudInfo:
    """Read cloud.json. Raises UserError when there is none."""
    file = (folder or state_folder()) / "cloud.json"
    try:
        return CloudInfo(**json.loads(file.read_text()))
    except FileNotFoundError:
        raise UserError("no local cloud is up", code="TT5001", reason="CloudDown", fix="run `trimtab local up`") from None


def write_info(folder: Path, info: CloudInfo) -> None:
    """Write cloud.json, 0600, whole or not at all."""
    fresh = folder / "cloud.json.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(info), indent=1))
    fresh.rename(folder / "cloud.json")


def own_folder(folder: Path) -> None:
    """Make the state folder, 0700. Raises UserError when it is another user's, or open to others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UserError(
            f"the state folder {folder} belongs to another user or is open to others",
            code="TT5002",
            reason="UnsafeState",
            fix=f"chmod 700 {folder}, or name another with --state",
        )
