"""What an overlay of a cloud in this process answers has no member that its service's model has not."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto.core.utils import get_service_model

from shaped import unknown
from trimtab.local import cloud
from trimtab.local.protocol import Operation, Response


@pytest.fixture(autouse=True)
def overlays_say_what_the_model_has(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found: list[str] = []
    answer = cloud.answer

    def kept(operation: Operation, result: Mapping[str, Any], request_id: str) -> Response:
        model = get_service_model(operation.service).operation_model(operation.name)
        found.extend(unknown(result, model.output_shape, f"{operation.service}:{operation.name}"))
        return answer(operation, result, request_id)

    monkeypatch.setattr(cloud, "answer", kept)
    yield
    assert not found, sorted(set(found))
