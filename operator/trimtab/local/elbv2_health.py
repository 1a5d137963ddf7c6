"""Health checks: one watcher per target, on the data plane's loop.

A target that is still `initial` is asked four times a second until it passes once, so that a start costs no whole interval;
failures are counted at the configured interval only. From then on interval, time-out and thresholds hold as configured.
"""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from trimtab.local.elbv2_targets import MESSAGES, HealthCheck, Outcome, Pool, Target

EAGER_S = 0.25  # between questions to a target that has not passed yet
HEADERS = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close", "Accept-Encoding": "gzip, compressed"}

Probe = Callable[[Target, HealthCheck], Awaitable[Outcome]]


async def watch(pool: Pool, target: Target, probe: Probe, changed: Callable[[], None]) -> None:
    """Ask a target until it is withdrawn or removed; `changed` is called on every change of state."""
    loop = asyncio.get_running_loop()
    counted = 0.0  # when a failure was last counted
    while pool.targets.get(target.key) is target and target.state != "draining":
        check, began = pool.check, loop.time()
        outcome = await probe(target, check)
        first = target.state == "initial"
        if not first or not outcome.reason or not counted or began - counted >= check.interval_s:
            counted = began
            if pool.note(target, outcome):
                changed()
        pause = EAGER_S if target.state == "initial" else check.interval_s
        await asyncio.sleep(max(0.0, began + pause - loop.time()))


async def ask(session: aiohttp.ClientSession, target: Target, check: HealthCheck) -> Outcome:
    """One GET, as the load balancer's nodes make it. Redirects are not followed; the body is not read."""
    port = check.port or target.port
    timeout = aiohttp.ClientTimeout(total=check.timeout_s)
    try:
        async with session.get(
            f"http://{target.id}:{port}{check.path}", headers=HEADERS, timeout=timeout, allow_redirects=False
        ) as response:
            if response.status in check.codes:
                return Outcome()
            return Outcome("Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{response.status}]")
    except TimeoutError:
        return Outcome("Target.Timeout", MESSAGES["Target.Timeout"])
    except (aiohttp.ClientError, OSError, ValueError):
        return Outcome("Target.FailedHealthChecks", MESSAGES["Target.FailedHealthChecks"])
