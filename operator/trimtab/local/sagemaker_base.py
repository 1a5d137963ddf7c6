"""What the operations on jobs and models share: state, names, pages, tags."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from trimtab.local.overlay import Arguments, ServiceError, World
from trimtab.local.sagemaker_checks import invalid
from trimtab.local.sagemaker_processing_runs import ProcessingRuns
from trimtab.local.sagemaker_records import Job, Model, ProcessingJob, TrainingJob
from trimtab.local.sagemaker_training_runs import TrainingRuns
from trimtab.local.shelf import Shelf

T = TypeVar("T", bound=Job | Model)
_MOST_TAGS = 50
_SORTS: Mapping[str, Callable[[Any], Any]] = {
    "Name": lambda thing: thing.name,
    "Status": lambda job: (job.status, job.created),  # which models have not, nor are they asked for by it
    "CreationTime": lambda thing: thing.created,
}


class Base:
    """State; the operations are mixed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        training = Shelf(world.store, "sagemaker.job", TrainingJob, lambda job: job.name)
        processing = Shelf(world.store, "sagemaker.processing", ProcessingJob, lambda job: job.name)
        self.training = TrainingRuns(world, training)
        self.processing = ProcessingRuns(world, processing)


def page(things: Iterable[T], arguments: Arguments, order: str = "Ascending") -> tuple[list[T], str | None]:
    """Those of one page, filtered and sorted as asked for, and the token of the next. Raises ServiceError.

    order: where none is asked for.
    """
    found = [each for each in things if _wanted(each, arguments)]
    key = _SORTS[arguments.get("SortBy", "CreationTime")]
    found.sort(key=key, reverse=arguments.get("SortOrder", order) == "Descending")
    given, most = str(arguments.get("NextToken") or "0"), int(arguments.get("MaxResults") or 10)
    if not given.isdecimal():
        raise invalid("Invalid NextToken")
    end = int(given) + most
    return found[int(given) : end], str(end) if end < len(found) else None


def taken(noun: str, arn: str) -> ServiceError:
    words = f"{noun.capitalize()} job names must be unique within an AWS account and region, and a {noun} job with this name"
    return ServiceError("ResourceInUse", f"{words} already exists ({arn})")


def still_at_work(noun: str, job: Job) -> ServiceError:
    words = f"{noun.capitalize()} job {job.name} cannot be deleted: it is {job.status}, and not in a terminal state"
    return ServiceError("ResourceInUse", words)


def ended_already(noun: str, job: Job) -> ServiceError:
    return invalid(f"The request was rejected because the {noun} job is in status {job.status}.")


def without_tags(arguments: Arguments) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != "Tags"}


def tags_in(arguments: Arguments) -> dict[str, str]:
    tags: dict[str, str] = {each["Key"]: each["Value"] for each in arguments.get("Tags") or ()}
    check_count(tags)
    return tags


def check_count(tags: Mapping[str, str]) -> None:
    if len(tags) > _MOST_TAGS:
        raise invalid(f"A resource has at most {_MOST_TAGS} tags")


def _wanted(thing: Job | Model, arguments: Arguments) -> bool:
    bounds, status = {"CreationTime": thing.created}, ""
    if isinstance(thing, Job):
        bounds["LastModifiedTime"], status = thing.modified or thing.created, thing.status
    return (
        arguments.get("NameContains", "") in thing.name
        and arguments.get("StatusEquals", status) == status
        and all(arguments.get(f"{name}After", at) <= at for name, at in bounds.items())
        and all(at <= arguments.get(f"{name}Before", at) for name, at in bounds.items())
    )
