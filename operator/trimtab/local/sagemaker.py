"""SageMaker's training and processing jobs, which really run: data comes, the image's own command runs, results are kept.

What one machine cannot do, or is not built, is refused and never ignored. Tags, which jobs and models have, are here; the
operations and the running of each kind in sagemaker_*.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, World
from trimtab.local.sagemaker_base import check_count, tags_in
from trimtab.local.sagemaker_checks import invalid
from trimtab.local.sagemaker_jobs import Jobs
from trimtab.local.sagemaker_models import Models
from trimtab.local.sagemaker_processing import ProcessingJobs
from trimtab.local.sagemaker_records import Job, Model
from trimtab.local.sagemaker_training import NOT_FOUND, TrainingJobs
from trimtab.local.shelf import Shelf


class SageMaker(TrainingJobs, ProcessingJobs, Models):
    service = "sagemaker"
    whole = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.models = Shelf(world.store, "sagemaker.model", Model, lambda model: model.name)

    def tick(self, now: datetime) -> None:
        self.training.tick(now)
        self.processing.tick(now)

    def pending(self) -> str:
        return self.training.pending() or self.processing.pending()

    def recover(self) -> Sequence[str]:
        return [*self.training.recover(), *self.processing.recover()]

    def add_tags(self, arguments: Arguments, context: Context) -> Reply:
        (shelf, thing), fresh = self._by_arn(arguments), tags_in(arguments)
        check_count(thing.tags | fresh)
        thing.tags |= fresh
        shelf.put(thing)
        return {"Tags": _pairs(thing.tags)}

    def delete_tags(self, arguments: Arguments, context: Context) -> Reply:
        shelf, thing = self._by_arn(arguments)
        thing.tags = {name: value for name, value in thing.tags.items() if name not in arguments["TagKeys"]}
        shelf.put(thing)
        return {}

    def tagged(self) -> Iterator[tuple[str, dict[str, str]]]:
        """(ARN, tags) of jobs, ended ones too, and of models."""
        for each in self._runs:
            yield from ((each.arn(job.name), job.tags) for job in each.shelf)
        yield from ((self.model_arn(model.name), model.tags) for model in self.models)

    def list_tags(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": _pairs(self._by_arn(arguments)[1].tags)}

    @property
    def _runs(self) -> tuple[Jobs[Any], ...]:
        return self.training, self.processing

    def _by_arn(self, arguments: Arguments) -> tuple[Shelf[Any], Job | Model]:
        arn = str(arguments["ResourceArn"])
        name = arn.rpartition("/")[2]
        for each in self._runs:
            if arn == each.arn(name) and (job := each.shelf.get(name)):
                return each.shelf, job
        if arn == self.model_arn(name) and (model := self.models.get(name)):
            return self.models, model
        raise invalid(f"{NOT_FOUND} ({arn})")


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in sorted(tags.items())]
