"""What a training script is given, and where it leaves what it makes, on a laptop and in SageMaker alike.

A folder comes from its SM_* variable (set by trimtab's launcher, SageMaker's toolkit and SDK v3); without one from /opt/ml,
where SageMaker has written its configuration there; else from beside the document.
"""

import hashlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

DOCUMENT = Path(__file__).resolve().parent.parent  # the folder of deployment.yaml
BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
IN_SAGEMAKER = (BASE / "input" / "config").is_dir()
FAILURE_LIMIT = 1024  # characters that SageMaker shows as FailureReason


def channel(name: str) -> Path:
    """The folder of one part of the dataset."""
    return _folder(f"SM_CHANNEL_{name.upper()}", BASE / "input" / "data" / name, DOCUMENT / "data" / name)


def model_folder() -> Path:
    """Where the model goes: what lies here is packed, gated and served."""
    return _made(_folder("SM_MODEL_DIR", BASE / "model", DOCUMENT / "build" / "model"))


def output_folder() -> Path:
    """Where evaluation.json goes."""
    return _made(_folder("SM_OUTPUT_DATA_DIR", BASE / "output" / "data", DOCUMENT / "build" / "output"))


def words() -> list[str]:
    """The command line, after the hyper-parameters that SageMaker wrote down: what is said later wins.

    SageMaker's own entries (_tuning_objective_metric, sagemaker_program) are not for the script. A container that runs the
    script as its entry point is started with the word `train`.
    """
    file = BASE / "input" / "config" / "hyperparameters.json"
    written = json.loads(file.read_text()) if file.is_file() else {}
    own = [f"--{name}={value}" for name, value in written.items() if not name.startswith(("_", "sagemaker_"))]
    return own + (sys.argv[2:] if sys.argv[1:2] == ["train"] else sys.argv[1:])


def stop_signal() -> Event:
    """Set on SIGTERM. SageMaker kills 120 s later, and packs what the model folder holds then."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop


@contextmanager
def failure_file() -> Iterator[None]:
    """Leave the end of an error where SageMaker looks for the job's FailureReason."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if IN_SAGEMAKER:
            text = str(error) if isinstance(error, SystemExit) else traceback.format_exc()
            (BASE / "output").mkdir(parents=True, exist_ok=True)
            (BASE / "output" / "failure").write_text(text[-FAILURE_LIMIT:])
        raise


def digest(folder: Path) -> str:
    """One digest for all files of a folder, as trimtab takes it: sorted (path, size, SHA-256) as JSON, hashed.

    Two models may be compared when they were evaluated on test data of one digest.
    """
    entries = [
        [path.relative_to(folder).as_posix(), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()]
        for path in folder.rglob("*")
        if path.is_file()
    ]
    text = json.dumps(sorted(entries), separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _folder(variable: str, in_container: Path, local: Path) -> Path:
    return Path(os.environ.get(variable) or (in_container if IN_SAGEMAKER else local))


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
