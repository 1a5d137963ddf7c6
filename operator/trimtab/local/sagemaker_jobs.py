"""The controller of jobs: looks at each that is not done and moves it on. What takes time runs on threads.

Data is downloaded, the container runs, results are uploaded; then the job is Completed, Failed or Stopped. Called under the
cloud's lock, which is held for no transfer: a thread is given values, and its answer is taken by a later look. What one
kind of job does otherwise than another stands in its own class.
"""

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from trimtab.local.ecs_logs import Tail
from trimtab.local.overlay import Exited, Preparing, Running, Unit, UnitState, World
from trimtab.local.sagemaker_events import job_changed
from trimtab.local.sagemaker_records import Job
from trimtab.local.sagemaker_transfers import HOST
from trimtab.local.shelf import Shelf
from trimtab.local.supervisor import CANNOT_START

GRACE_S = 120.0  # SageMaker kills a container this long after SIGTERM
DAY_S = 86_400  # MaxRuntimeInSeconds when it is not given
MOST_WORDS = 1024  # characters of a FailureReason
_TRANSFERS = 4
_LOST = "InternalServerError: We encountered an internal error: the local cloud lost the job's process. Please try again."

J = TypeVar("J", bound=Job)
Work: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]  # what to do on a thread, and with what
Turn: TypeAlias = Literal["download", "run", "stop", "upload", "end"]


class Jobs(Generic[J]):
    """Moves the jobs of one kind through their life."""

    noun: ClassVar[str]  # "training": "training/<job id>" is its unit, "training-job" stands in its ARN
    log_group: ClassVar[str]
    place: ClassVar[str]  # where the folders of its jobs lie, in the state folder

    def __init__(self, world: World, shelf: Shelf[J]) -> None:
        self.world, self.shelf = world, shelf
        self.pool = ThreadPoolExecutor(_TRANSFERS, thread_name_prefix=f"{self.noun} job")
        self.work: dict[str, Future[Any]] = {}  # by job id and what is done
        self._tails: dict[str, Tail] = {}
        self._cancelled: dict[str, threading.Event] = {}

    # --- what differs between kinds ---

    def image(self, job: J) -> str:
        raise NotImplementedError

    def unit(self, job: J) -> Unit:
        """Its container."""
        raise NotImplementedError

    def bringing(self, job: J, cancelled: Callable[[], bool]) -> Work:
        """What lays out its folder and downloads its data. It may raise, which fails the job."""
        raise NotImplementedError

    def keeping(self, job: J) -> Work:
        """What uploads its results; its answer goes to `kept`."""
        raise NotImplementedError

    def kept(self, job: J, answer: Any, now: datetime) -> Exception | None:
        """Take the answer of what `keeping` did; answers what went wrong with it."""
        raise NotImplementedError

    def shown(self, job: J) -> dict[str, Any]:
        """As its Describe operation answers it."""
        raise NotImplementedError

    def last_words(self, job: J) -> str:
        """What the container wrote of its failure."""
        return ""

    def looked(self, job: J, now: datetime, *, running: bool) -> bool:
        """At each look at its container. False: it may not be moved on yet."""
        return True

    def told(self, job: J, turn: Turn, now: datetime) -> None:
        """At each turn of its life, once the record says so."""

    # --- its life ---

    def tick(self, now: datetime) -> None:
        for job in self.shelf:
            if not job.is_terminal:
                before = repr(job)
                self._move(job, now)
                if repr(job) != before:
                    self.shelf.put(job)

    def pending(self) -> str:
        """A job that has not ended."""
        return next((f"{self.noun} job {job.name} is under way" for job in self.shelf if not job.is_terminal), "")

    def recover(self) -> Sequence[str]:
        """A job whose process lives goes on; one that was being moved is moved again from the start of its step."""
        said: list[str] = []
        for job in self.shelf:
            if job.is_terminal:
                self.world.executor.forget(self.unit_id(job))
            elif job.phase == "run":
                state = self.world.executor.state(self.unit_id(job))
                if state is None and not job.ran:
                    self.world.executor.start(self.unit(job))
                elif _is_lost(state):
                    self._end(job, "Failed", self.world.clock.now(), _LOST)
                    self.shelf.put(job)
                    said.append(f"{self.noun} job {job.name}: its process ended with the last local cloud")
        self._remove_folders()
        return said

    def stop(self, job: J, now: datetime) -> None:
        """SIGTERM, and what is there by then is kept as its kind keeps it."""
        if job.stopping:
            return
        job.stopping, job.status = True, "Stopping"
        self._turn(job, "stop", now)
        if event := self._cancelled.get(job.id):
            event.set()
        if job.phase == "run":
            self.world.executor.stop(self.unit_id(job), GRACE_S)
        self.shelf.put(job)
        self.world.wake.set()

    def begin(self, job: J) -> None:
        """Take a new job."""
        self.say(job, job.created)
        self.shelf.put(job)
        self.world.wake.set()

    def say(self, job: J, now: datetime) -> None:
        """Tell EventBridge how a job stands: before it is kept, so that a crash repeats an event and loses none."""
        self.world.signals.emit("aws.sagemaker", *job_changed(self.noun, self.shown(job), job.tags), now)

    def arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self.world.region}:{self.world.account}:{self.noun}-job/{name}"

    def unit_id(self, job: J) -> str:
        return f"{self.noun}/{job.id}"

    def folder(self, job: J) -> Path:
        return self.world.folder / self.place / job.id.replace("/", "-")

    def log(self, job: J) -> Path:
        return self.folder(job) / "container.log"

    def do(self, job: J, what: str, work: Work) -> Future[Any]:
        """Begin a piece of work once; later calls answer the same. The cloud is woken at its end."""
        key = f"{job.id} {what}"
        if key not in self.work:
            function, arguments = work
            self.work[key] = self.pool.submit(function, *arguments)
            self.work[key].add_done_callback(lambda _: self.world.wake.set())
        return self.work[key]

    # --- one step ---

    def _move(self, job: J, now: datetime) -> None:
        if job.phase == "download":
            self._download(job, now)
        elif job.phase == "run":
            self._watch(job, now)
        elif job.phase == "upload":
            self._upload(job, now)

    def _download(self, job: J, now: datetime) -> None:
        if job.started is None and job.stopping:
            self._end(job, "Stopped", now)
            return
        if job.started is None:
            image = self.image(job)
            if self.world.executor.image_digest(image) is None:
                words = f"Cannot pull the {self.noun} image: {image} is not in the local registry"
                self._end(job, "Failed", now, f"ClientError: {words}")
                return
            job.started = now
            self._turn(job, "download", now)
        cancelled = self._cancelled.setdefault(job.id, threading.Event())
        if job.stopping:
            cancelled.set()
        work = self.do(job, "download", self.bringing(job, cancelled.is_set))
        if not work.done():
            self._look_at_time(job, now)
            return
        self._take(job, "download")
        fault = work.exception()
        if job.stopping:
            self._end(job, "Stopped", now)
        elif fault is not None:
            self._end(job, "Failed", now, f"ClientError: {fault}")
        else:
            job.phase = "run"
            self.shelf.put(job)  # before it is started: a crash between the two leaves no unit that nobody knows
            self.world.executor.start(self.unit(job))

    def _watch(self, job: J, now: datetime) -> None:
        state = self.world.executor.state(self.unit_id(job))
        self._tail(job).pump(self.world.logs, now, last=isinstance(state, Exited))
        if state is None or (_is_lost(state) and not job.stopping):
            self._end(job, "Failed", now, _LOST)
            return
        # One that is quick is seen only when it has ended; it has run all the same.
        if not job.ran and not job.stopping and _has_begun(state):
            job.ran = True
            self._turn(job, "run", now)
        if not isinstance(state, Exited):
            self.looked(job, now, running=True)
            self._look_at_time(job, now)
        elif self.looked(job, now, running=False):
            job.exit_code, job.phase, job.failure = state.code, "upload", state.because
            self._turn(job, "upload", now)

    def _upload(self, job: J, now: datetime) -> None:
        work = self.do(job, "upload", self.keeping(job))
        if not work.done():
            return
        self._take(job, "upload")
        fault = work.exception() or self.kept(job, work.result(), now)
        words = job.failure or self.last_words(job)
        if not job.stopping and job.exit_code == CANNOT_START and job.failure:
            self._end(job, "Failed", now, f"ClientError: {job.failure}")
        elif not job.stopping and job.exit_code != 0:
            # The exit code stays to be seen, however long the words are.
            tail = f", exit code: {job.exit_code}"
            self._end(job, "Failed", now, f"AlgorithmError: {words}"[: MOST_WORDS - len(tail)] + tail)
        elif fault is not None:
            self._end(job, "Failed", now, f"ClientError: {fault}")
        else:
            self._end(job, "Stopped" if job.stopping else "Completed", now)

    def _look_at_time(self, job: J, now: datetime) -> None:
        limit_s = int(job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY_S))
        if job.started is not None and not job.stopping and (now - job.started).total_seconds() > limit_s:
            job.overran = True
            self.stop(job, now)

    def _end(self, job: J, status: str, now: datetime, failure: str = "") -> None:
        """End a job; its files go, as with the instance that had them."""
        job.status, job.ended, job.failure, job.phase = status, now, failure[:MOST_WORDS], "done"
        self._turn(job, "end", now)
        self._tails.pop(job.id, None)
        self._cancelled.pop(job.id, None)
        self.pool.submit(_clean, self.world.executor.forget, self.unit_id(job), self.folder(job))

    def _turn(self, job: J, turn: Turn, now: datetime) -> None:
        job.modified = now
        self.told(job, turn, now)
        self.say(job, now)

    def _take(self, job: J, what: str) -> None:
        del self.work[f"{job.id} {what}"]

    def _tail(self, job: J) -> Tail:
        if job.id not in self._tails:
            stream = f"{job.name}/{HOST}-{int(job.created.timestamp())}"
            self._tails[job.id] = Tail(self.log(job), self.log_group, stream)
        return self._tails[job.id]

    def _remove_folders(self) -> None:
        """Those of jobs that have ended: the last gateway may have been killed before it came to it."""
        needed = {self.folder(job) for job in self.shelf if not job.is_terminal}
        folder = self.world.folder / self.place
        for each in folder.iterdir() if folder.is_dir() else ():
            if each not in needed:
                shutil.rmtree(each, ignore_errors=True)


def _has_begun(state: UnitState) -> bool:
    """Whether its container's command was ever run."""
    return isinstance(state, Running) or (isinstance(state, Exited) and not state.because)


def _is_lost(state: UnitState | None) -> bool:
    """Whether a unit was ended by the platform: unknown, or without its supervisor. One that could not start is not."""
    if isinstance(state, (Preparing, Running)):
        return False
    return state is None or bool(state.because and state.code != CANNOT_START)


def _clean(forget: Callable[[str], None], unit: str, folder: Path) -> None:
    forget(unit)
    shutil.rmtree(folder, ignore_errors=True)
