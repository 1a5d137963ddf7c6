"""What processes of this machine use: their whole trees, from /proc.

CPU time includes that of children that have ended and were waited for. Memory is resident: pages that processes share count
for each of them.
Source: proc(5), /proc/pid/stat.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_s: float  # since the processes started
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    usage: Usage


def usage_of(roots: Mapping[str, int]) -> dict[str, Usage]:
    """What the process tree below each pid uses, by the name it is asked under; those that are gone are left out.

    One look at all of /proc, whatever is asked for.
    """
    if not roots:
        return {}
    processes = dict(_processes())
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    return {name: _tree(pid, processes, children) for name, pid in roots.items() if pid in processes}


def _tree(root: int, processes: Mapping[int, _Process], children: Mapping[int, list[int]]) -> Usage:
    waiting, cpu_s, memory = [root], 0.0, 0
    while waiting:
        pid = waiting.pop()
        cpu_s, memory = cpu_s + processes[pid].usage.cpu_s, memory + processes[pid].usage.memory_bytes
        waiting += children.get(pid, [])
    return Usage(cpu_s, memory)


def _processes() -> Iterator[tuple[int, _Process]]:
    for path in _PROC.iterdir():
        if path.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):  # it ended meanwhile
                # The name, in parentheses, may hold anything; what follows begins with field 3.
                fields = (path / "stat").read_bytes().rpartition(b")")[2].split()
                ticks = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
                yield int(path.name), _Process(int(fields[1]), Usage(ticks / _TICKS, int(fields[21]) * _PAGE))
