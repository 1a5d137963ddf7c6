"""One row of `doctor`, and the verdicts that need no machine and no account: values in, a row out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["ok", "warn", "fail", "not checked"]
_SKEW_WARN_S, _SKEW_FAIL_S = 60.0, 300.0  # AWS refuses a request signed more than five minutes from its own time
_QUOTA_WARN = 0.8
_GIB = 1 << 30
_DISK_WARN_BYTES, _DISK_FAIL_BYTES = 10 * _GIB, 2 * _GIB
_NAMED = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """check: what was looked at. found: what there is, or why it could not be looked at. fix: empty for what is ok."""

    check: str
    verdict: Verdict
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """A right that a kind needs and that the caller has not."""

    action: str
    resource: str
    decision: str  # "implicitDeny", "explicitDeny"


def python(version: Sequence[int]) -> Finding:
    text = ".".join(str(part) for part in version[:3])
    if tuple(version[:2]) >= (3, 11):
        return Finding("python", "ok", text)
    return Finding("python", "fail", f"{text} is too old", "install Python 3.11 or later")


def disk(check: str, folder: str, free_bytes: int, needs: str) -> Finding:
    """needs: what will be written there, for the fix."""
    found = f"{free_bytes / _GIB:.1f} GiB free for {folder}"
    if free_bytes >= _DISK_WARN_BYTES:
        return Finding(check, "ok", found)
    verdict: Verdict = "fail" if free_bytes < _DISK_FAIL_BYTES else "warn"
    return Finding(check, verdict, found, f"free some space: {needs}")


def clock(skew_s: float | None, why: str = "") -> Finding:
    """skew_s: our time less the endpoint's, by its Date header; None when there was none."""
    if skew_s is None:
        return Finding("clock", "not checked", why or "the endpoint sent no Date")
    # Date has whole seconds: what is below two is no skew.
    found = (
        "as the endpoint's"
        if abs(skew_s) < 2
        else f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the endpoint's"
    )
    fix = "let the machine keep time by NTP (timedatectl set-ntp true): AWS refuses signatures that are 300 s off"
    if abs(skew_s) > _SKEW_FAIL_S:
        return Finding("clock", "fail", found, fix)
    return Finding("clock", "warn", found, fix) if abs(skew_s) > _SKEW_WARN_S else Finding("clock", "ok", found)


def identity(arn: str, account: str, declared: str) -> Finding:
    """declared: the environment's account."""
    if account == declared:
        return Finding("identity", "ok", f"{arn} in account {account}")
    found = f"{arn} is of account {account}, and the environment's is {declared}"
    return Finding("identity", "fail", found, "use credentials of the environment's account, or correct spec.account")


def region(declared: str, known: Sequence[str], configured: str | None) -> Finding:
    """known: regions that the SDK knows for ECS. configured: of the profile or AWS_REGION; the environment's is used."""
    if declared not in known:
        return Finding("region", "warn", f"{declared} is not known to this SDK", "correct spec.region, or upgrade boto3")
    other = f"; your shell says {configured}, which only other tools use" if configured not in (None, declared) else ""
    return Finding("region", "ok", f"{declared}{other}")


def quota(check: str, used: int, limit: float, where: str) -> Finding:
    """where: where a person asks for more."""
    found = f"{used} of {limit:.0f} used"
    if used >= limit:
        return Finding(check, "fail", f"{found}: no more can be made", f"delete unused ones, or ask for more: {where}")
    if used >= limit * _QUOTA_WARN:
        return Finding(check, "warn", found, f"ask for more before it is full: {where}")
    return Finding(check, "ok", found)


def rights(actions: int, denied: Sequence[Denial], unchecked: Mapping[str, str]) -> Finding:
    """actions: how many were asked for. unchecked: why, by resource, for those of which nothing is known."""
    if not actions and unchecked:
        return Finding("rights", "not checked", next(iter(unchecked.values())))
    if denied:
        names = list(dict.fromkeys(f"{each.action} on {each.resource}" for each in denied))
        more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        found = f"{len(names)} of {actions} are denied by policy simulation: {'; '.join(names[:_NAMED])}{more}"
        return Finding("rights", "fail", found, "allow them in a policy of the caller; -o json lists all")
    if unchecked:
        resources = ", ".join(list(unchecked)[:_NAMED])
        found = f"{actions} are allowed by policy simulation; of {resources} nothing is known"
        return Finding("rights", "warn", found, "allow iam:SimulatePrincipalPolicy, or try an apply")
    return Finding("rights", "ok", f"all {actions} are allowed by policy simulation")


def port(number: int, holder: str | None) -> Finding:
    """holder: what listens there; "" for what is not ours, None when nobody does."""
    check = f"port {number}"
    if holder is None:
        return Finding(check, "ok", "free")
    if holder:
        return Finding(check, "ok", f"taken by {holder}")
    return Finding(
        check, "fail", "in use by another program", "stop it, or run `trimtab local up --port ... --invoke-port ...`"
    )


def not_checked(check: str, why: str) -> Finding:
    return Finding(check, "not checked", why)
