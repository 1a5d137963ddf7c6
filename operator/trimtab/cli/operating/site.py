"""An environment as the operator serves it, and the sources that it reads."""

import hashlib
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from trimtab.cli import holder
from trimtab.cli.context import account_of, cache_folder, environment_at, environment_named, launcher_in
from trimtab.clients.aws import Aws, Made
from trimtab.clients.clock import SystemClock
from trimtab.clients.pace import Pace
from trimtab.core.errors import Position, UserError
from trimtab.core.kind import Caller
from trimtab.core.quantities import duration_s
from trimtab.engine.assembly import Assembly
from trimtab.engine.board import Configured
from trimtab.engine.contents import Content, DigestCache
from trimtab.engine.declared import Declared, Source
from trimtab.engine.elsewhere import InS3
from trimtab.engine.endpoint import url_of
from trimtab.engine.hearing import Ear
from trimtab.engine.ledger import Ledgers
from trimtab.engine.prover import AT_ONCE
from trimtab.engine.reconcile import Reconciler
from trimtab.engine.survey import Survey
from trimtab.engine.threads import OwnThreads
from trimtab.engine.transfers import Report
from trimtab.engine.view import Outcome
from trimtab.engine.wanted import Wanted, resolve
from trimtab.model.environment import Environment
from trimtab.model.operator import EventsConfig, GitConfig, OperatorSpec, S3Config, SourceConfig
from trimtab.sources.folder import FolderSource
from trimtab.sources.s3 import S3Source

_READS, _SWEEP_READS = 16, 4  # at a time, of a pass and of a sweep
_SCP = re.compile(r"[^/\s]+@[^/\s]+:")  # user@host:path, which is ssh


@dataclass(frozen=True, slots=True)
class ServedEnvironment:
    """Keeps trimtab.engine.turns.Site. other: an environment that a document names beside its own."""

    assembly: Assembly
    survey: Survey
    pace: Pace
    cache: DigestCache
    other: Callable[[str, Position], tuple[Environment, Aws]]

    @property
    def ledgers(self) -> Ledgers:
        return self.assembly.ledgers

    def resolve(self, declared: Declared, report: Report) -> Wanted:
        elsewhere = InS3(lambda: (self.assembly.environment, self.assembly.aws), self.other, self.cache)
        return resolve(declared.document, declared.folder, cache=self.cache, report=report, elsewhere=elsewhere)

    def reconciler(self, contents: Mapping[str, Content]) -> Reconciler:
        return self.assembly.reconciler(contents)

    def url(self, outcome: Outcome) -> str:
        view = outcome.view
        return url_of(view.graph, view.snapshot, self.assembly.environment) if view else ""


@contextmanager
def served(
    names: Sequence[str],
    observer: Callable[[Made], None],
    traced: Callable[[Caller], Caller],
    waited: Callable[[str, float], None],
    clock: SystemClock,
) -> Generator[Mapping[str, ServedEnvironment]]:
    """The environments of those names, ready to make reconcilers. Raises UserError where one is not known.

    observer: is told of each call to AWS. traced: as `Assembly` has it. waited: as `Pace` has it.
    """
    with (
        TemporaryDirectory(prefix="trimtab-") as scratch,
        OwnThreads(_READS, "reads") as threads,
        OwnThreads(_SWEEP_READS, "sweep reads") as sweeping,
        ThreadPoolExecutor(AT_ONCE, thread_name_prefix="proofs") as proving,
    ):
        launcher = launcher_in(Path(scratch))
        found: dict[str, ServedEnvironment] = {}
        paces: dict[tuple[str, str], Pace] = {}  # AWS's limits are those of an account and region
        cache = DigestCache(cache_folder() / "digests.json")
        cache.load()

        def reached(environment: Environment) -> tuple[Aws, Pace]:
            account = (environment.spec.account, environment.spec.region)
            pace = paces.setdefault(account, Pace(clock.monotonic, pause=clock.pause, waited=waited))
            return Aws(account_of(environment), observer=observer, pace=pace, traced=traced), pace

        def other(name: str, position: Position) -> tuple[Environment, Aws]:
            if name in found:
                return found[name].assembly.environment, found[name].assembly.aws
            environment = environment_at(name, position)
            return environment, reached(environment)[0]

        for name in names:
            environment = environment_named(name)
            aws, pace = reached(environment)
            me, is_gone = holder.this_process(), holder.is_gone
            assembly = Assembly(environment, aws, threads, Path(scratch), launcher, clock, me, is_gone, traced=traced)
            found[name] = ServedEnvironment(assembly, assembly.survey(sweeping, proving), pace, cache, other)
        try:
            yield found
        finally:
            proving.shutdown(wait=False, cancel_futures=True)


def ears_of(events: Sequence[EventsConfig], sites: Mapping[str, ServedEnvironment]) -> list[Ear]:
    """Raises UserError for a queue of an environment that is not served."""
    pairs = [(each, _site(each.environment, sites, "spec.events").assembly.aws) for each in events]
    return [Ear(aws, each.queue, aws.caller) for each, aws in pairs]


def sources_of(
    spec: OperatorSpec, base: Path, sites: Mapping[str, ServedEnvironment], clock: SystemClock
) -> list[tuple[Source, Configured]]:
    """base: the folder that paths are relative to. Raises UserError."""
    return [_source(each, base, spec.environments[0], sites, clock) for each in spec.sources]


def _source(
    config: SourceConfig, base: Path, first: str, sites: Mapping[str, ServedEnvironment], clock: SystemClock
) -> tuple[Source, Configured]:
    if config.s3:
        source = _s3(config, config.s3, config.s3.environment or first, sites, clock)
    else:
        source = _git(config, config.git, base, clock) if config.git else _folder(config, base, clock)
    return source, Configured(source.name, frozenset(config.namespaces))


def _folder(config: SourceConfig, base: Path, clock: SystemClock) -> Source:
    assert config.folder is not None, "a source is one of them"
    source = FolderSource((base / config.folder.path).resolve(), monotonic=clock.monotonic, pause=clock.wait)
    return replace(source, interval_s=duration_s(config.interval)) if config.interval else source


def _s3(
    config: SourceConfig, s3: S3Config, environment: str, sites: Mapping[str, ServedEnvironment], clock: SystemClock
) -> Source:
    aws = _site(environment, sites, f"the source s3://{s3.bucket}").assembly.aws
    prefix = f"{s3.prefix.rstrip('/')}/" if s3.prefix else ""
    ear = Ear(aws, s3.queue, aws.caller) if s3.queue else None
    source = S3Source(aws, s3.bucket, prefix, s3.manifest, ear, now=clock.monotonic, pause=clock.wait)
    return replace(source, interval_s=duration_s(config.interval)) if config.interval else source


def _site(name: str, sites: Mapping[str, ServedEnvironment], what: str) -> ServedEnvironment:
    if name not in sites:
        raise UserError(
            f"{what} names the environment {name}, which this operator does not serve",
            code="TT6007",
            fix="add it to spec.environments, or name another",
        )
    return sites[name]


def _git(config: SourceConfig, git: GitConfig, base: Path, clock: SystemClock) -> Source:
    try:
        from trimtab.sources.git import GitSource
        from trimtab.sources.git_remote import Remote
    except ImportError as error:
        raise UserError(
            f"a Git source needs {error.name}, which is not installed", code="TT6008", fix="pip install 'trimtab[operator]'"
        ) from error
    is_path = "://" not in git.repository and not _SCP.match(git.repository)
    url = str((base / git.repository).resolve()) if is_path else git.repository
    place = f"{url}\n{git.ref}\n{git.path}\n{git.status_branch}".encode()
    store = cache_folder() / "git" / hashlib.sha256(place).hexdigest()[:16]
    source = GitSource(
        Remote(url, store / "copy"),
        store,
        git.ref,
        git.path.strip("/"),
        git.status_branch or "",
        (base / git.allowed_signers).resolve() if git.allowed_signers else None,
        pause=clock.wait,
    )
    return replace(source, interval_s=duration_s(config.interval)) if config.interval else source
