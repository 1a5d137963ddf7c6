"""Training jobs: the operations.

Source: Amazon SageMaker API, CreateTrainingJob and DescribeTrainingJob; Developer Guide, "How Amazon SageMaker runs your
training image" (what a container is given), "signals algorithm success and failure" (failure file, exit code).
"""

from trimtab.local.overlay import Arguments, Context, Reply
from trimtab.local.sagemaker_base import Base, ended_already, page, still_at_work, tags_in, taken, without_tags
from trimtab.local.sagemaker_checks import check_request, invalid
from trimtab.local.sagemaker_records import TrainingJob

NOT_FOUND = "Requested resource not found."
_SUMMED = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus")


class TrainingJobs(Base):
    def create_training_job(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["TrainingJobName"]
        check_request(arguments)
        tags, arn = tags_in(arguments), self.training.arn(name)
        if self.training.shelf.get(name):
            raise taken("training", arn)
        job = TrainingJob(name, without_tags(arguments), context.now, tags=tags)
        job.enter("Starting", "Starting the training job", context.now)
        self.training.begin(job)
        return {"TrainingJobArn": arn}

    def describe_training_job(self, arguments: Arguments, context: Context) -> Reply:
        return self.training.shown(self._training(arguments["TrainingJobName"]))

    def stop_training_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._training(arguments["TrainingJobName"])
        if job.is_terminal:
            raise ended_already("training", job)
        self.training.stop(job, context.now)
        return {}

    def delete_training_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._training(arguments["TrainingJobName"])
        if not job.is_terminal:
            raise still_at_work("training", job)
        self.training.shelf.drop(job.name)
        return {}

    def list_training_jobs(self, arguments: Arguments, context: Context) -> Reply:
        found, token = page(self.training.shelf, arguments)
        shown = [self.training.shown(job) for job in found]
        summaries = [{name: each[name] for name in _SUMMED if name in each} for each in shown]
        return {"TrainingJobSummaries": summaries, "NextToken": token}

    def _training(self, name: str) -> TrainingJob:
        job = self.training.shelf.get(name)
        if job is None:
            raise invalid(NOT_FOUND)
        return job
