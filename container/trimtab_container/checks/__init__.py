"""What `check` looks at, one module a thing; each yields findings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """Something wrong, and what to do. An error is sure to fail; a warning may be meant."""

    file: Path
    line: int  # 0: of the file or folder as a whole
    level: Literal["error", "warning"]
    text: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{place}: {self.level}: {self.text}\n  fix: {self.fix}"


def error(file: Path, line: int, text: str, fix: str) -> Finding:
    return Finding(file, line, "error", text, fix)


def warning(file: Path, line: int, text: str, fix: str) -> Finding:
    return Finding(file, line, "warning", text, fix)
