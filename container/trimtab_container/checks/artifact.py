"""A model folder: its files, what is pickled, whether it loads and answers its golden request."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from trimtab_container.checks import Finding, error, warning
from trimtab_container.digests import DigestError, folder_digest
from trimtab_container.hooks import HookError, Hooks, load_hooks

WRITE = "the training script writes model.onnx, card.json and golden.json into SM_MODEL_DIR"
_NAMES = (".pkl", ".pickle", ".joblib", ".dill")


def model_findings(folder: Path, code: Path | None, seen: list[str]) -> Iterator[Finding]:
    """Look at a model folder. code: the folder whose inference.py serves it, if any. seen: what is right is told there."""
    if not folder.is_dir() or not any(folder.iterdir()):
        yield error(folder, 0, "there is no model: " + ("it is empty" if folder.is_dir() else "it is no folder"), WRITE)
        return
    found = [*_pickled(folder), *_unused(folder)]
    yield from found
    if any(each.level == "error" for each in found):
        return
    try:
        seen.append(f"{folder}: {folder_digest(folder)}")
    except DigestError as problem:
        yield error(folder, 0, str(problem), "keep plain files only, with names that are one in Unicode's NFC")
        return
    yield from _proven(folder, code, seen)


def _pickled(folder: Path) -> Iterator[Finding]:
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        if _is_pickled(file):
            yield error(file, 0, "it is pickled: loading it runs code. It is never served", "export the model to ONNX")


def _is_pickled(file: Path) -> bool:
    if file.suffix.lower() in _NAMES:
        return True
    with file.open("rb") as opened:
        head = opened.read(128)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if head.startswith(b"\x93NUMPY"):
        return b"'|O'" in head
    if head.startswith(b"PK") and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    return False


def _unused(folder: Path) -> Iterator[Finding]:
    """SageMaker's own place for code inside an artifact: not ours, since an edit of it would be another model."""
    file = folder / "code" / "inference.py"
    if file.is_file():
        yield warning(file, 0, "code in the model folder is not run", "put inference.py into the code folder")


def _proven(folder: Path, code: Path | None, seen: list[str]) -> Iterator[Finding]:
    try:
        from trimtab_container.model import ModelError, load
        from trimtab_container.pipeline import Pipeline
    except ImportError as problem:
        seen.append(f"{problem.name} is not here, so the model was not run: pip install 'trimtab-container[serve]'")
        return
    try:
        hooks = load_hooks(code) if code else Hooks()
        model = load(folder, hooks=hooks)
        proven = Pipeline(model, hooks, folder).prove(model.golden) if hooks.of_requests else "the golden request passes"
    except HookError as problem:
        yield error((code or folder) / "inference.py", 0, f"it cannot be imported: {problem}", "correct the line")
        return
    except ModelError as problem:
        yield error(folder, 0, str(problem), WRITE)
        return
    tensor = model.input
    seen.append(f"input {tensor.name} {tensor.dtype.name} {list(tensor.shape)}; output {model.output or 'of predict_fn'}")
    seen.append(f"{proven}; one inference takes {model.seconds * 1000:.2f} ms")
