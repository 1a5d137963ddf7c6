"""Models: kept and answered. Nothing serves them: endpoints are not simulated.

Source: Amazon SageMaker API, CreateModel, DescribeModel, ListModels, DeleteModel.
"""

from collections.abc import Mapping
from typing import Any

from trimtab.local.overlay import Arguments, Context, Reply, World
from trimtab.local.sagemaker_base import page, tags_in, without_tags
from trimtab.local.sagemaker_checks import invalid
from trimtab.local.sagemaker_records import Model
from trimtab.local.shelf import Shelf


class Models:
    """Mixed into SageMaker, which has a shelf of them."""

    world: World
    models: Shelf[Model]

    def create_model(self, arguments: Arguments, context: Context) -> Reply:
        name = arguments["ModelName"]
        if bool(arguments.get("PrimaryContainer")) == bool(arguments.get("Containers")):
            raise invalid("A model has either PrimaryContainer or Containers")
        if not arguments.get("ExecutionRoleArn"):
            raise invalid("ExecutionRoleArn is required")
        if self.models.get(name):
            raise invalid(f'Cannot create already existing model "{self.model_arn(name)}".')
        self.models.put(Model(name, without_tags(arguments), context.now, tags=tags_in(arguments)))
        return {"ModelArn": self.model_arn(name)}

    def describe_model(self, arguments: Arguments, context: Context) -> Reply:
        return self._model_shown(self._model(arguments["ModelName"]))

    def delete_model(self, arguments: Arguments, context: Context) -> Reply:
        self.models.drop(self._model(arguments["ModelName"]).name)
        return {}

    def list_models(self, arguments: Arguments, context: Context) -> Reply:
        found, token = page(self.models, arguments, order="Descending")
        shown = [
            {"ModelName": each.name, "ModelArn": self.model_arn(each.name), "CreationTime": each.created} for each in found
        ]
        return {"Models": shown, "NextToken": token}

    def model_arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self.world.region}:{self.world.account}:model/{name}"

    def _model(self, name: str) -> Model:
        if (found := self.models.get(name)) is None:
            raise invalid(f'Could not find model "{self.model_arn(name)}".')
        return found

    def _model_shown(self, model: Model) -> dict[str, Any]:
        given: dict[str, Any] = {"EnableNetworkIsolation": False, **model.request}
        containers = [_container(each) for each in given.get("Containers") or ()]
        primary = {"PrimaryContainer": _container(given["PrimaryContainer"])} if given.get("PrimaryContainer") else {}
        named = {"ModelArn": self.model_arn(model.name), "CreationTime": model.created}
        return given | primary | ({"Containers": containers} if containers else {}) | named


def _container(given: Mapping[str, Any]) -> dict[str, Any]:
    """A container with the mode that SageMaker answers where none was given."""
    return {"Mode": "SingleModel", **given}
