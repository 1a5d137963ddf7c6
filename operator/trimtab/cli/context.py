"""Wires a command: finds documents and environment, and builds the engine for it."""

import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from trimtab.cli import holder
from trimtab.cli.words import environments_folder
from trimtab.clients.aws import Account, Aws
from trimtab.clients.clock import SystemClock
from trimtab.core.errors import Position, UserError
from trimtab.core.kind import Call
from trimtab.engine.assembly import Assembly
from trimtab.engine.contents import Content, DigestCache
from trimtab.engine.elsewhere import InS3
from trimtab.engine.endpoint import url_of
from trimtab.engine.ledger import Ledger, Ledgers
from trimtab.engine.reconcile import Reconciler
from trimtab.engine.view import View
from trimtab.engine.wanted import Wanted, resolve, wanted_from
from trimtab.local.paths import cloud_info, state_folder
from trimtab.model.deployment import ModelDeployment
from trimtab.model.environment import Environment
from trimtab.model.load import Document, load
from trimtab.model.unbuilt import refuse_unbuilt
from trimtab_container import bundle

LOCAL = "local"


@dataclass(slots=True)
class Session:
    """One engine for one environment."""

    environment: Environment
    aws: Aws
    reconciler: Reconciler
    clock: SystemClock

    @property
    def ledgers(self) -> Ledgers:
        return self.reconciler.ledgers

    def endpoint(self, view: View | None) -> str:
        """The public URL, or "" while there is none."""
        return url_of(view.graph, view.snapshot, self.environment) if view else ""


def cache_folder() -> Path:
    """Where what can be made again is kept."""
    given = os.environ.get("TRIMTAB_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(base) if base else Path.home() / ".cache") / "trimtab"


def documents(files: tuple[str, ...]) -> list[tuple[Document, Path]]:
    """Load files ("-" is stdin) and folders of *.yaml; each document comes with its folder. Raises an ExceptionGroup."""
    found: list[tuple[Document, Path]] = []
    mistakes: list[Exception] = []
    for file in _files(files):
        try:
            text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
            folder = Path.cwd() if file == "-" else Path(file).resolve().parent
            found += [(document, folder) for document in load(text, file)]
        except OSError as error:
            mistakes.append(
                UserError(f"{file} cannot be read: {error.strerror}", code="TT2000", fix="name a file that exists")
            )
        except ExceptionGroup as group:
            mistakes += group.exceptions
    for document, _ in found:
        mistakes += refuse_unbuilt(document)
    if mistakes:
        raise ExceptionGroup(f"{len(mistakes)} mistakes", mistakes)
    for document, _ in found:
        for warning in document.warnings:
            click.echo(f"warning: {warning}", err=True)
    return found


def deployment_in(files: tuple[str, ...]) -> tuple[Document, Path, tuple[Environment, ...]]:
    """The one ModelDeployment among the files, its folder, and the environments beside it."""
    loaded = documents(files)
    deployments = [(document, folder) for document, folder in loaded if isinstance(document.value, ModelDeployment)]
    environments = tuple(document.value for document, _ in loaded if isinstance(document.value, Environment))
    if len(deployments) != 1:
        raise UserError(
            f"there are {len(deployments)} ModelDeployments in {', '.join(files)}; one is taken at a time",
            code="TT2008",
            fix="name the file of the one you mean",
        )
    return (*deployments[0], environments)


def environment_named(name: str, given: tuple[Environment, ...] = ()) -> Environment:
    """Find an Environment: among those given, the local cloud's, or `environments/<name>.yaml` in the config folder.

    name: of the environment, or of a YAML file that holds one.
    """
    for each in given:
        if each.metadata.name == name:
            return each
    if name.endswith((".yaml", ".yml")):
        return _environment_in(Path(name))
    config = environments_folder() / f"{name}.yaml"
    file = state_folder() / "environment.yaml" if name == LOCAL else config
    if not file.exists():
        fix = "run `trimtab local up`" if name == LOCAL else f"write it to {config}, or name its file with --environment"
        raise UserError(f"there is no environment {name!r}", code="TT3005", reason="EnvironmentMissing", fix=fix)
    return _environment_in(file, name)


def environment_at(name: str, position: Position | None, given: tuple[Environment, ...] = ()) -> Environment:
    """As `environment_named`; position: where a document names it."""
    try:
        return environment_named(name, given)
    except UserError as error:
        error.position = error.position or position
        raise


def _environment_in(file: Path, name: str | None = None) -> Environment:
    """The Environment of a file; without a name it must hold one alone."""
    try:
        loaded = load(file.read_bytes(), str(file))
    except OSError as error:
        raise UserError(
            f"{file} cannot be read: {error.strerror}", code="TT2000", fix="name a file that exists, or an environment"
        ) from error
    found = [each.value for each in loaded if isinstance(each.value, Environment)]
    named = [each for each in found if name in (None, each.metadata.name)]
    if len(named) == 1:
        return named[0]
    what = f"Environment named {name!r}" if name else "Environment" if not found else "single Environment"
    raise UserError(f"{file} holds no {what}", code="TT3005", reason="EnvironmentMissing", fix="correct the file")


@contextmanager
def session(
    environment: Environment,
    contents: dict[str, Content] | None = None,
    *,
    before: Callable[[Call], None] | None = None,
    after: Callable[[Call], None] | None = None,
) -> Generator[Session]:
    """Build the engine; workers stop and temporary files go when it ends.

    before, after: called round every call that a pass makes; what they raise ends the pass, as a crash would.
    """
    aws = Aws(account_of(environment))
    clock = SystemClock()
    with (
        tempfile.TemporaryDirectory(prefix="trimtab-") as name,
        ThreadPoolExecutor(8, thread_name_prefix="reads") as threads,
    ):
        scratch = Path(name)
        launcher, me = launcher_in(scratch), holder.this_process()
        assembly = Assembly(environment, aws, threads, scratch, launcher, clock, me, holder.is_gone, before, after)
        reconciler = assembly.reconciler(contents or {})
        try:
            yield Session(environment, aws, reconciler, clock)
        finally:
            reconciler.transfers.stop()


def resolved(
    document: Document, folder: Path | str, environments: tuple[Environment, ...] = (), *, digests: bool = True
) -> Wanted:
    """Digest what the document names. digests: use the cache of digests by size and times."""
    cache = DigestCache(cache_folder() / "digests.json" if digests else None)
    cache.load()

    def reach(name: str, position: Position | None = None) -> tuple[Environment, Aws]:
        environment = environment_at(name, position, environments)
        return environment, Aws(account_of(environment))

    deployment = document.value
    assert isinstance(deployment, ModelDeployment)
    own = deployment.spec.environment_ref.name
    return resolve(document, folder, cache=cache, elsewhere=InS3(lambda: reach(own), reach, cache))


def split_name(name: str) -> tuple[str, str]:
    """ "vision/digits" -> (namespace, name); without a slash the namespace is "default"."""
    namespace, slash, rest = name.partition("/")
    return (namespace, rest) if slash else ("default", namespace)


def ledger_of(found: Session, name: str) -> Ledger:
    """The ledger of a deployment by "[namespace/]name"; a bare name may stand for the only one of that name."""
    namespace, plain = split_name(name)
    stored = found.ledgers.load(namespace, plain).value
    if stored is not None:
        return stored
    ledgers = found.ledgers.all()
    same = [each for each in ledgers if each.name == name] if "/" not in name else []
    if len(same) == 1:
        return same[0]
    there = ", ".join(f"{each.namespace}/{each.name}" for each in (same or ledgers)) or "none"
    raise UserError(
        f"there is no deployment {name!r} in environment {found.environment.metadata.name}; there are: {there}",
        code="TT3006",
        reason="NotFound",
        fix="name one of them as <namespace>/<name>",
    )


def remembered(ledger: Ledger) -> Wanted:
    """What a deployment last declared, from its ledger alone: enough to look, not to send."""
    return wanted_from(ledger)


def _files(files: tuple[str, ...]) -> Iterator[str]:
    for file in files:
        path = Path(file)
        if file != "-" and os.path.isdir(file):  # noqa: PTH112 - no name makes it raise, however long
            yield from (str(each) for each in sorted((*path.glob("*.yaml"), *path.glob("*.yml"))))
        else:
            yield file


def account_of(environment: Environment) -> Account:
    """Where the calls of an environment go."""
    region = environment.spec.region
    if environment.metadata.name == LOCAL:
        cloud = cloud_info()
        return Account(region, cloud.endpoint, cloud.access_key_id, cloud.secret_access_key)
    return Account(region)


def launcher_in(scratch: Path) -> Content:
    """This installation's launcher, bundled below that folder."""
    from trimtab_container.digests import folder_entries, tree_digest

    folder = scratch / "launcher"
    folder.mkdir()
    bundle.build(folder / "launcher.pyz")
    entries = folder_entries(folder)
    return Content(folder, entries, tree_digest(entries))
