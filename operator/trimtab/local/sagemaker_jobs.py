"""The controller of training jobs: looks at each that is not done and moves it on. What takes time runs on threads."""

import json
import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from trimtab.local.overlay import Exited, Preparing, Running, Unit, World
from trimtab.local.sagemaker_records import Job
from trimtab.local.shelf import Shelf

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
GRACE_S = 120.0  # SageMaker kills a container this long after SIGTERM
_DAY_S = 86_400


class Jobs:
    """Moves training jobs through their life. Called under the cloud's lock."""

    def __init__(self, world: World, shelf: Shelf[Job]) -> None:
        self._world, self._shelf = world, shelf
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="job")
        self._work: dict[str, Future[None]] = {}

    def tick(self, now: datetime) -> None:
        for job in self._shelf:
            if not job.is_terminal:
                before = repr(job)
                self._move(job, now)
                if repr(job) != before:
                    self._shelf.put(job)

    def recover(self) -> Sequence[str]:
        """A job whose process still runs goes on; one that was being moved is moved again from the start of its step."""
        said: list[str] = []
        for job in self._shelf:
            if job.phase == "run" and not job.is_terminal and self._world.executor.state(_unit_id(job)) is None:
                job.finish(
                    "Failed",
                    "Failed",
                    self._world.clock.now(),
                    "InternalServerError: the local cloud ended while the job ran",
                )
                self._shelf.put(job)
                said.append(f"training job {job.name} was lost with the last process")
        return said

    def stop(self, job: Job, now: datetime) -> None:
        """SIGTERM, and what is in the model folder by then is kept."""
        job.stopping, job.status = True, "Stopping"
        job.enter("Stopping", "Stopping the training job", now)
        self._world.executor.stop(_unit_id(job), GRACE_S)
        self._shelf.put(job)

    def forget(self, job: Job) -> None:
        self._world.executor.forget(_unit_id(job))
        shutil.rmtree(self._folder(job), ignore_errors=True)

    def artifact(self, job: Job) -> str:
        return f"{_output(job)}/{job.name}/output/model.tar.gz"

    # --- one step ---

    def _move(self, job: Job, now: datetime) -> None:
        if job.phase == "download":
            if job.stopping:
                job.finish("Stopped", "Stopped", now)
            elif self._done(job, now, "Downloading", "Downloading input data", self._download):
                job.phase = "run"
                self._start(job)
        elif job.phase == "run":
            self._watch(job, now)
        elif job.phase == "upload" and self._done(job, now, "Uploading", "Uploading generated training model", self._upload):
            self._end(job, now)

    def _done(self, job: Job, now: datetime, secondary: str, message: str, work: "object") -> bool:
        """Have something done on a thread; True once it is. A fault fails the job with its words."""
        running = self._work.get(job.name)
        if running is None:
            if job.secondary not in (secondary, "Stopping"):
                job.enter(secondary, message, now)
            self._work[job.name] = self._pool.submit(work, job)  # type: ignore[arg-type]
            return False
        if not running.done():
            return False
        del self._work[job.name]
        fault = running.exception()
        if fault is not None:
            job.finish("Failed", "Failed", now, f"ClientError: {fault}")
            return False
        return True

    def _watch(self, job: Job, now: datetime) -> None:
        self._pass_log_on(job, now)
        state = self._world.executor.state(_unit_id(job))
        if isinstance(state, Preparing) or state is None:
            return
        if isinstance(state, Running):
            if job.started is None:
                job.started = state.started
                job.enter("Training", "Training image download completed. Training in progress.", now)
            limit = int(job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY_S))
            if not job.stopping and (now - job.started).total_seconds() > limit:
                job.stopping = True
                job.enter("MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds", now)
                self._world.executor.stop(_unit_id(job), GRACE_S)
            return
        assert isinstance(state, Exited)
        job.exit_code, job.phase = state.code, "upload"
        job.failure = state.because

    def _end(self, job: Job, now: datetime) -> None:
        over = any(step.status == "MaxRuntimeExceeded" for step in job.steps)
        if job.stopping:
            job.finish("Stopped", "MaxRuntimeExceeded" if over else "Stopped", now)
        elif job.exit_code == 0:
            job.finish("Completed", "Completed", now)
        elif job.failure:
            job.finish("Failed", "Failed", now, f"ClientError: {job.failure}")
        else:
            words = self._failure_file(job)
            job.finish("Failed", "Failed", now, f"AlgorithmError: {words}, exit code: {job.exit_code}")

    def _failure_file(self, job: Job) -> str:
        file = self._folder(job) / "output" / "failure"
        return file.read_text(errors="replace")[:900].strip() if file.is_file() else "the container left no failure file"

    # --- the container's side ---

    def _download(self, job: Job) -> None:
        """Lay out /opt/ml/input as the platform does. Raises ValueError in words."""
        folder = self._folder(job)
        shutil.rmtree(folder, ignore_errors=True)
        config = folder / "input" / "config"
        config.mkdir(parents=True)
        for name in ("model", "output/data", "checkpoints"):
            (folder / name).mkdir(parents=True)
        channels: dict[str, dict[str, str]] = {}
        for each in job.request.get("InputDataConfig") or ():
            channels[each["ChannelName"]] = {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            self._channel(each["ChannelName"], each["DataSource"]["S3DataSource"]["S3Uri"], folder / "input" / "data")
        host = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        host |= {
            "current_instance_type": job.request["ResourceConfig"].get("InstanceType", ""),
            "current_group_name": "homogeneousCluster",
        }
        _write(config / "inputdataconfig.json", channels)
        _write(config / "hyperparameters.json", job.request.get("HyperParameters") or {})
        _write(config / "resourceconfig.json", host)

    def _channel(self, name: str, uri: str, data: Path) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        keys = self._world.buckets.keys(bucket, prefix)
        if not keys:
            raise ValueError(
                f"Data download failed: No S3 objects found under S3 URL {uri} given in input data source for channel {name}"
            )
        base = prefix if prefix.endswith("/") else prefix.rpartition("/")[0] + "/"
        for key, _ in keys:
            path = (data / name / key.removeprefix(base)).resolve()
            if not path.is_relative_to((data / name).resolve()):
                raise ValueError(f"the key {key} leaves the channel's folder")
            self._world.buckets.fetch(bucket, key, path)

    def _start(self, job: Job) -> None:
        specification, folder = job.request["AlgorithmSpecification"], self._folder(job)
        entrypoint = tuple(specification.get("ContainerEntrypoint") or ())
        arguments = tuple(specification.get("ContainerArguments") or ())
        self._world.executor.start(
            Unit(
                id=_unit_id(job),
                image=specification["TrainingImage"],
                command=arguments or (() if entrypoint else ("train",)),
                environment={
                    "TRAINING_JOB_NAME": job.name,
                    "TRAINING_JOB_ARN": f"arn:aws:sagemaker:{self._world.region}:{self._world.account}:training-job/{job.name}",
                    "AWS_REGION": self._world.region,
                    **(job.request.get("Environment") or {}),
                },
                log=folder / "log",
                entrypoint=entrypoint,
                mounts={f"/opt/ml/{name}": folder / name for name in ("input", "model", "output", "checkpoints")},
            )
        )

    def _upload(self, job: Job) -> None:
        """Tar what the container left and put it where the request says."""
        self._pass_log_on(job, datetime.now(UTC), last=True)
        folder = self._folder(job)
        bucket, _, prefix = _output(job).removeprefix("s3://").partition("/")
        for name, source in (("model.tar.gz", folder / "model"), ("output.tar.gz", folder / "output" / "data")):
            if source.is_dir() and any(source.iterdir()) and (job.exit_code == 0 or job.stopping or name == "output.tar.gz"):
                archive = folder / name
                with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
                    for path in sorted(source.rglob("*")):
                        tar.add(path, path.relative_to(source).as_posix(), recursive=False)
                try:
                    self._world.buckets.put(bucket, f"{prefix}/{job.name}/output/{name}".lstrip("/"), archive)
                except KeyError as error:
                    raise ValueError(f"Failed to upload to {error}: the bucket does not exist") from error

    # --- its log ---

    def _pass_log_on(self, job: Job, now: datetime, *, last: bool = False) -> None:
        """Send whole new lines to CloudWatch Logs and read metrics from them."""
        lines = list(self._new_lines(job, last=last))
        if not lines:
            return
        attempt = int(job.created.timestamp())
        self._world.logs.write(LOG_GROUP, f"{job.name}/algo-1-{attempt}", [(now, line) for line in lines])
        for each in job.request["AlgorithmSpecification"].get("MetricDefinitions") or ():
            for line in lines:
                for match in re.finditer(each["Regex"], line):
                    try:
                        job.metrics[each["Name"]] = [float(match[1]), now.isoformat()]
                    except (ValueError, IndexError):
                        continue

    def _new_lines(self, job: Job, *, last: bool) -> Iterator[str]:
        path = self._folder(job) / "log"
        if not path.is_file():
            return
        with path.open("rb") as file:
            file.seek(job.log_place)
            data = file.read()
        whole = data if last else data[: data.rfind(b"\n") + 1]
        job.log_place += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if line.strip():
                yield line

    def _folder(self, job: Job) -> Path:
        return self._world.folder / "jobs" / job.name


def _unit_id(job: Job) -> str:
    return f"training/{job.name}/{int(job.created.timestamp() * 1000)}"


def _output(job: Job) -> str:
    return str(job.request["OutputDataConfig"]["S3OutputPath"]).rstrip("/")


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))
