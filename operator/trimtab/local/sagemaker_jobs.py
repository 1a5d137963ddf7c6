"""The controller of training jobs: looks at each that is not done and moves it on. What takes time runs on threads.

Starting, Downloading, Training, Uploading, then Completed, Failed or Stopped. Called under the cloud's lock, which is held
for no transfer: a thread is given values, and its answer is taken by a later look.
"""

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from trimtab.local.ecs_logs import Tail
from trimtab.local.overlay import Exited, Preparing, Running, Unit, UnitState, World
from trimtab.local.sagemaker_records import Job
from trimtab.local.sagemaker_transfers import (
    HOST,
    MOUNTED,
    Read,
    TransferFailed,
    download,
    failure_file,
    read_metrics,
    upload,
)
from trimtab.local.shelf import Shelf
from trimtab.local.supervisor import CANNOT_START

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
GRACE_S = 120.0  # SageMaker kills a container this long after SIGTERM
DAY_S = 86_400  # MaxRuntimeInSeconds when it is not given
MOST_WORDS = 1024  # characters of a FailureReason
_TRANSFERS = 4
_LOST = "InternalServerError: We encountered an internal error: the local cloud lost the job's process. Please try again."


class Jobs:
    """Moves training jobs through their life."""

    def __init__(self, world: World, shelf: Shelf[Job]) -> None:
        self._world, self._shelf = world, shelf
        self._pool = ThreadPoolExecutor(_TRANSFERS, thread_name_prefix="job")
        self._work: dict[str, Future[Any]] = {}  # by job id and what is done
        self._tails: dict[str, Tail] = {}
        self._cancelled: dict[str, threading.Event] = {}

    def tick(self, now: datetime) -> None:
        for job in self._shelf:
            if not job.is_terminal:
                before = repr(job)
                self._move(job, now)
                if repr(job) != before:
                    self._shelf.put(job)

    def recover(self) -> Sequence[str]:
        """A job whose process lives goes on; one that was being moved is moved again from the start of its step."""
        said: list[str] = []
        for job in self._shelf:
            if job.is_terminal:
                self._world.executor.forget(unit_id(job))
            elif job.phase == "run":
                state = self._world.executor.state(unit_id(job))
                if state is None and not _has_run(job):
                    self._world.executor.start(self._unit(job))
                elif _is_lost(state):
                    self._end(job, "Failed", "Failed", self._world.clock.now(), _LOST, _LOST)
                    self._shelf.put(job)
                    said.append(f"training job {job.name}: its process ended with the last local cloud")
        self._remove_folders()
        return said

    def _remove_folders(self) -> None:
        """Those of jobs that have ended: the last gateway may have been killed before it came to it."""
        needed = {self._folder(job) for job in self._shelf if not job.is_terminal}
        folder = self._world.folder / "jobs"
        for each in folder.iterdir() if folder.is_dir() else ():
            if each not in needed:
                shutil.rmtree(each, ignore_errors=True)

    def stop(self, job: Job, now: datetime) -> None:
        """SIGTERM, and what is in the model folder by then is kept."""
        if job.stopping:
            return
        job.stopping, job.status = True, "Stopping"
        job.enter("Stopping", "Stopping the training job", now)
        if event := self._cancelled.get(job.id):
            event.set()
        if job.phase == "run":
            self._world.executor.stop(unit_id(job), GRACE_S)
        self._shelf.put(job)
        self._world.wake.set()

    def artifact(self, job: Job) -> str:
        return f"{_target(job)}/model.tar.gz"

    # --- one step ---

    def _move(self, job: Job, now: datetime) -> None:
        if job.phase == "download":
            self._download(job, now)
        elif job.phase == "run":
            self._watch(job, now)
        elif job.phase == "upload":
            self._upload(job, now)

    def _download(self, job: Job, now: datetime) -> None:
        if job.started is None and job.stopping:
            self._end(job, "Stopped", "Stopped", now, "Training job stopped")
            return
        if job.started is None:
            image = job.request["AlgorithmSpecification"]["TrainingImage"]
            if self._world.executor.image_digest(image) is None:
                self._fail(job, now, f"ClientError: Cannot pull the training image: {image} is not in the local registry")
                return
            job.started = now
            job.enter("Downloading", "Downloading input data", now)
        cancelled = self._cancelled.setdefault(job.id, threading.Event())
        if job.stopping:
            cancelled.set()
        work = self._do(job, "download", download, self._world.buckets, job.request, self._folder(job), cancelled.is_set)
        if not work.done():
            self._look_at_time(job, now)
            return
        self._take(job, "download")
        fault = work.exception()
        if job.stopping:
            self._end_stopped(job, now)
        elif fault is not None:
            self._fail(job, now, f"ClientError: {fault}")
        else:
            job.phase = "run"
            self._shelf.put(job)  # before it is started: a crash between the two leaves no unit that nobody knows
            self._world.executor.start(self._unit(job))

    def _watch(self, job: Job, now: datetime) -> None:
        state = self._world.executor.state(unit_id(job))
        self._tail(job).pump(self._world.logs, now, last=isinstance(state, Exited))
        if state is None or (_is_lost(state) and not job.stopping):
            self._end(job, "Failed", "Failed", now, _LOST, _LOST)
            return
        # One that is quick is seen only when it has ended; it has trained all the same.
        if not _has_run(job) and not job.stopping and _has_begun(state):
            job.enter("Training", "Training image download completed. Training in progress.", now)
        if not isinstance(state, Exited):
            self._metrics(job, now, more=True)
            self._look_at_time(job, now)
        elif self._metrics(job, now, more=False):  # a scan that is under way is let come to its end
            job.exit_code, job.phase, job.failure = state.code, "upload", state.because
            job.enter("Uploading", "Uploading generated training model", now)

    def _upload(self, job: Job, now: datetime) -> None:
        with_model = job.exit_code == 0 or job.stopping
        arguments = (self._world.buckets, _target(job), self._folder(job), self._log(job), job.metrics_place)
        work = self._do(job, "upload", _scan_and_upload, *arguments, _definitions(job), with_model)
        if not work.done():
            return
        self._take(job, "upload")
        fault = work.exception()
        if fault is None:
            read, fault = work.result()
            self._keep(job, read, now)
        words = job.failure or failure_file(self._folder(job), MOST_WORDS)
        if not job.stopping and job.exit_code == CANNOT_START and job.failure:
            self._fail(job, now, f"ClientError: {job.failure}")
        elif not job.stopping and job.exit_code != 0:
            # The exit code stays to be seen, however long the words are.
            tail = f", exit code: {job.exit_code}"
            self._fail(job, now, f"AlgorithmError: {words}"[: MOST_WORDS - len(tail)] + tail)
        elif fault is not None:
            self._fail(job, now, f"ClientError: {fault}")
        elif job.stopping:
            self._end_stopped(job, now)
        else:
            self._end(job, "Completed", "Completed", now, "Training job completed")

    def _look_at_time(self, job: Job, now: datetime) -> None:
        limit_s = int(job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY_S))
        if job.started is not None and not job.stopping and (now - job.started).total_seconds() > limit_s:
            job.overran = True
            self.stop(job, now)

    # --- ends ---

    def _fail(self, job: Job, now: datetime, reason: str) -> None:
        reason = reason[:MOST_WORDS]
        self._end(job, "Failed", "Failed", now, reason, reason)

    def _end_stopped(self, job: Job, now: datetime) -> None:
        if job.overran:
            words = "Training job runtime exceeded MaxRuntimeInSeconds provided"
            self._end(job, "Stopped", "MaxRuntimeExceeded", now, words)
        else:
            self._end(job, "Stopped", "Stopped", now, "Training job stopped")

    def _end(self, job: Job, status: str, secondary: str, now: datetime, message: str, failure: str = "") -> None:
        """End a job; its files go, as with the instance that had them."""
        job.finish(status, secondary, now, message, failure)
        self._tails.pop(job.id, None)
        self._cancelled.pop(job.id, None)
        unit, folder = unit_id(job), self._folder(job)
        self._pool.submit(_clean, self._world.executor.forget, unit, folder)

    # --- work on threads ---

    def _do(self, job: Job, what: str, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Begin a piece of work once; later calls answer the same. The cloud is woken at its end."""
        key = f"{job.id} {what}"
        if key not in self._work:
            self._work[key] = self._pool.submit(work, *arguments)
            self._work[key].add_done_callback(lambda _: self._world.wake.set())
        return self._work[key]

    def _take(self, job: Job, what: str) -> None:
        del self._work[f"{job.id} {what}"]

    # --- its log ---

    def _metrics(self, job: Job, now: datetime, *, more: bool) -> bool:
        """Take what a scan of the log has found, and begin another when there is more. True: none is under way."""
        key = f"{job.id} metrics"
        if key in self._work:
            if not self._work[key].done():
                return False
            self._keep(job, self._work.pop(key).result(), now)
        definitions, log = _definitions(job), self._log(job)
        if more and definitions and log.is_file() and log.stat().st_size > job.metrics_place:
            # Not woken at its end: a log that grows would be scanned without a pause.
            self._work[key] = self._pool.submit(read_metrics, log, job.metrics_place, definitions)
        return True

    def _keep(self, job: Job, read: Read, now: datetime) -> None:
        job.metrics_place = read.place
        job.metrics |= {name: [value, now.isoformat()] for name, value in read.metrics.items()}

    def _tail(self, job: Job) -> Tail:
        if job.id not in self._tails:
            stream = f"{job.name}/{HOST}-{int(job.created.timestamp())}"
            self._tails[job.id] = Tail(self._log(job), LOG_GROUP, stream)
        return self._tails[job.id]

    # --- its container ---

    def _unit(self, job: Job) -> Unit:
        specification, folder, region = job.request["AlgorithmSpecification"], self._folder(job), self._world.region
        entrypoint = tuple(specification.get("ContainerEntrypoint") or ())
        arguments = tuple(specification.get("ContainerArguments") or ())
        platform = {
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job_arn(self._world, job.name),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
        return Unit(
            id=unit_id(job),
            image=specification["TrainingImage"],
            command=arguments or (() if entrypoint else ("train",)),
            environment=platform | (job.request.get("Environment") or {}),
            log=self._log(job),
            entrypoint=entrypoint,
            mounts={f"/opt/ml/{name}": folder / name for name in MOUNTED},
        )

    def _folder(self, job: Job) -> Path:
        return self._world.folder / "jobs" / job.id.replace("/", "-")

    def _log(self, job: Job) -> Path:
        return self._folder(job) / "container.log"


def unit_id(job: Job) -> str:
    return f"training/{job.id}"


def job_arn(world: World, name: str) -> str:
    return f"arn:aws:sagemaker:{world.region}:{world.account}:training-job/{name}"


def _has_run(job: Job) -> bool:
    return any(step.status == "Training" for step in job.steps)


def _has_begun(state: UnitState) -> bool:
    """Whether its container's command was ever run."""
    return isinstance(state, Running) or (isinstance(state, Exited) and not state.because)


def _is_lost(state: UnitState | None) -> bool:
    """Whether a unit was ended by the platform: unknown, or without its supervisor. One that could not start is not."""
    if isinstance(state, (Preparing, Running)):
        return False
    return state is None or bool(state.because and state.code != CANNOT_START)


def _scan_and_upload(
    buckets: Any, target: str, folder: Path, log: Path, place: int, definitions: dict[str, str], with_model: bool
) -> tuple[Read, TransferFailed | None]:
    """The last metrics count even when the result cannot be kept."""
    read = read_metrics(log, place, definitions, last=True)
    try:
        upload(buckets, target, folder, with_model=with_model)
    except TransferFailed as error:
        return read, error
    return read, None


def _clean(forget: Callable[[str], None], unit: str, folder: Path) -> None:
    forget(unit)
    shutil.rmtree(folder, ignore_errors=True)


def _definitions(job: Job) -> dict[str, str]:
    given: list[dict[str, str]] = job.request["AlgorithmSpecification"].get("MetricDefinitions") or []
    return {each["Name"]: each["Regex"] for each in given}


def _target(job: Job) -> str:
    return f"{str(job.request['OutputDataConfig']['S3OutputPath']).rstrip('/')}/{job.name}/output"
