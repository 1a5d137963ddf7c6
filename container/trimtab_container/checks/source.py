"""Python files as trees: which a script uses, what they import, which of their texts are data."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trimtab_container.checks import Finding, error

_CAUGHT = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


@dataclass(frozen=True)
class Imported:
    """One import that must work. level: dots before a relative one."""

    line: int
    module: str  # dotted; "" for `from . import x`
    names: tuple[str, ...]  # what is taken from it
    level: int

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Source:
    file: Path
    tree: ast.Module


def parse(file: Path) -> Source | Finding:
    """A file's tree, or why there is none."""
    try:
        return Source(file, ast.parse(file.read_bytes(), str(file)))
    except SyntaxError as problem:
        return error(file, problem.lineno or 1, f"{type(problem).__name__}: {problem.msg}", "correct the line")
    except (ValueError, OSError) as problem:  # null bytes, an unknown encoding; unreadable
        return error(file, 0, f"it cannot be read as Python: {problem}", "save it as UTF-8 text")


def used_by(script: Path, code: Path) -> tuple[list[Source], list[Finding]]:
    """A script and the files of the code folder that it imports, however far away; and those that cannot be read."""
    found: dict[Path, Source] = {}
    problems: list[Finding] = []
    waiting, seen = [script], set[Path]()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        source = parse(file)
        if isinstance(source, Finding):
            problems.append(source)
            continue
        found[file] = source
        waiting += [path for each in imports(source.tree) for path in local_files(each, file, code)]
    return list(found.values()), problems


def local_files(imported: Imported, file: Path, code: Path) -> list[Path]:
    """The files of the code folder that an import runs; none when it comes from elsewhere."""
    base = code
    if imported.level:
        base = file.parent
        for _ in range(imported.level - 1):
            base = base.parent
    parts = [part for part in imported.module.split(".") if part]
    places = [base.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    places += [base.joinpath(*parts, name) for name in imported.names]
    candidates = [path for place in places for path in (place.with_name(f"{place.name}.py"), place / "__init__.py")]
    return [path for path in candidates if path.is_file()]


def is_local(imported: Imported, code: Path) -> bool:
    """Whether the code folder itself has what is imported (a folder needs no __init__.py)."""
    place = code / imported.top
    return bool(imported.level) or place.with_name(f"{place.name}.py").is_file() or place.is_dir()


def imports(tree: ast.AST) -> Iterator[Imported]:
    """Every import that is not guarded: by `except ImportError`, or `if TYPE_CHECKING`."""
    if isinstance(tree, ast.Import):
        yield from (Imported(tree.lineno, each.name, (), 0) for each in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        yield Imported(tree.lineno, tree.module or "", tuple(each.name for each in tree.names), tree.level)
    for child in _unguarded(tree):
        yield from imports(child)


def _unguarded(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Try) and any(_catches_imports(handler) for handler in node.handlers):
        yield from (*node.orelse, *node.finalbody)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        yield from node.orelse
    else:
        yield from ast.iter_child_nodes(node)


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(f"'{name}'" in ast.dump(handler.type) for name in _CAUGHT)


def texts(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every text that is data, with the statement it stands in; documentation is left out."""
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.stmt) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            continue
        for node in _expressions(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value, statement


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """What lies in a statement, less the statements inside it."""
    waiting: list[ast.AST] = [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
