"""Processing jobs: the operations.

Source: Amazon SageMaker API, CreateProcessingJob, DescribeProcessingJob, ListProcessingJobs, StopProcessingJob and
DeleteProcessingJob. What is not there is answered with a ValidationException, though the model has ResourceNotFound.
"""

from trimtab.local.overlay import Arguments, Context, Reply
from trimtab.local.sagemaker_base import Base, ended_already, page, still_at_work, tags_in, taken, without_tags
from trimtab.local.sagemaker_checks import check_processing, invalid
from trimtab.local.sagemaker_records import ProcessingJob

_SUMMED = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
)


class ProcessingJobs(Base):
    def create_processing_job(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["ProcessingJobName"]
        check_processing(arguments)
        tags, arn = tags_in(arguments), self.processing.arn(name)
        if self.processing.shelf.get(name):
            raise taken("processing", arn)
        self.processing.begin(ProcessingJob(name, without_tags(arguments), context.now, tags=tags))
        return {"ProcessingJobArn": arn}

    def describe_processing_job(self, arguments: Arguments, context: Context) -> Reply:
        return self.processing.shown(self._processing(arguments["ProcessingJobName"]))

    def stop_processing_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._processing(arguments["ProcessingJobName"])
        if job.is_terminal:
            raise ended_already("processing", job)
        self.processing.stop(job, context.now)
        return {}

    def delete_processing_job(self, arguments: Arguments, context: Context) -> Reply:
        job = self._processing(arguments["ProcessingJobName"])
        if not job.is_terminal:
            raise still_at_work("processing", job)
        self.processing.shelf.drop(job.name)
        return {}

    def list_processing_jobs(self, arguments: Arguments, context: Context) -> Reply:
        found, token = page(self.processing.shelf, arguments)
        shown = [self.processing.shown(job) for job in found]
        summaries = [{name: each[name] for name in _SUMMED if name in each} for each in shown]
        return {"ProcessingJobSummaries": summaries, "NextToken": token}

    def _processing(self, name: str) -> ProcessingJob:
        job = self.processing.shelf.get(name)
        if job is None:
            raise invalid(f"Could not find requested job with name: {name}")
        return job
