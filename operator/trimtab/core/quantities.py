"""Quantities as documents write them: cpu in millicores, memory, durations. Exact, or refused with a ValueError."""

import re
from fractions import Fraction

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_CPU = re.compile(rf"({_NUMBER})(m?)")
_MEMORY = re.compile(rf"({_NUMBER})(Ki|Mi|Gi|Ti|k|M|G|T|)")
_MEMORY_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")

# vCPU in ECS units -> memory in MiB that Fargate offers with it. Source: Amazon ECS Developer Guide, task size.
FARGATE: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}


def cpu_millicores(text: str | float) -> int:
    """ "500m", 1 or "1.5" in Kubernetes millicores. Raises ValueError."""
    match = _CPU.fullmatch(str(text))
    value = Fraction(match[1]) * (1 if match[2] else 1000) if match else Fraction(0)
    if value <= 0 or value.denominator != 1:
        raise ValueError(f"{text!r} is no amount of cpu: write millicores (500m) or cores (0.5)")
    return int(value)


def cpu_text(millicores: int) -> str:
    """Millicores as Kubernetes spells them: "500m", "2"."""
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def memory_bytes(text: str | float) -> int:
    """ "1Gi", "512Mi" or a number of bytes. Raises ValueError."""
    match = _MEMORY.fullmatch(str(text))
    value = Fraction(match[1]) * _MEMORY_UNITS[match[2]] if match else Fraction(0)
    if value <= 0 or value.denominator != 1:
        raise ValueError(f"{text!r} is no amount of memory: write 512Mi or 1Gi")
    return int(value)


def memory_text(size_bytes: int) -> str:
    """Bytes in the largest binary unit that divides them: "1Gi", "1536Mi"."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if size_bytes % _MEMORY_UNITS[unit] == 0:
            return f"{size_bytes // _MEMORY_UNITS[unit]}{unit}"
    return str(size_bytes)


def memory_mib(text: str | float) -> int:
    """Memory in MiB, as ECS counts it. Raises ValueError when it is no whole number of them."""
    size = memory_bytes(text)
    if size % 2**20:
        raise ValueError(f"{text!r} is no whole number of mebibytes: write 512Mi or 1Gi")
    return size // 2**20


def duration_s(text: str | float) -> int:
    """ "30m", "1h30m", "90s" in seconds. Raises ValueError."""
    match = _DURATION.fullmatch(str(text))
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration: write 90s, 30m or 1h30m")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def ecs_units(millicores: int) -> int:
    """ECS cpu units: millicores x 1.024, exact. Raises ValueError."""
    units = Fraction(millicores * 1024, 1000)
    if units.denominator != 1:
        raise ValueError(f"{millicores}m are {float(units):g} ECS units, which is no whole number")
    return int(units)


def nearest_fargate(units: int | Fraction, mib: int) -> tuple[tuple[int, int], ...]:
    """The pair itself when AWS offers it, else the two nearest, as (millicores, MiB)."""
    pairs = [(cpu, memory) for cpu, memories in FARGATE.items() for memory in memories]
    if (units, mib) in pairs:
        return ((int(units) * 1000 // 1024, mib),)
    ranked = sorted(pairs, key=lambda pair: (abs(pair[0] - units) / 256 + Fraction(abs(pair[1] - mib), 512), pair))
    return tuple((cpu * 1000 // 1024, memory) for cpu, memory in ranked[:2])


def fargate_fits(millicores: int, mib: int) -> tuple[tuple[str, str], ...]:
    """Nothing when Fargate offers the pair; else the two nearest that it offers, as a document spells them."""
    near = nearest_fargate(Fraction(millicores * 1024, 1000), mib)
    return () if len(near) == 1 else tuple((cpu_text(cpu), memory_text(memory * 2**20)) for cpu, memory in near)
