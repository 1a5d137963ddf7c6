"""What every model of the API shares: frozen, no unknown fields, camelCase outside, and a key class on each field."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError

KeyClass: TypeAlias = Literal["result", "run", "none"]
KEY_CLASS = "x-trimtab-key"
API_VERSION = "trimtab.dev/v1alpha1"
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
MapKey = Annotated[str, Field(min_length=1, max_length=317)]  # of a label or annotation: <DNS name>/<name>
LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"  # RFC 1123


class Model(BaseModel):
    """A part of a document."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, validate_default=True, strict=False
    )

    # Rules on which fields are written, in the document's spelling: load reads them too, so that one of them is found
    # beside a mistake elsewhere in the same part, and the schema says them to editors.
    exactly_one: ClassVar[tuple[tuple[str, ...], ...]] = ()
    together: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # a field -> the fields that it needs

    @model_validator(mode="after")
    def _written(self) -> Self:
        written = {
            info.alias or name for name, info in type(self).model_fields.items() if getattr(self, name) not in (None, ())
        }
        for at, message, fix in absent(type(self), written):
            raise rule(message, at=at, fix=fix)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the part, with its rules on written fields."""
        made = handler.resolve_ref_schema(handler(core_schema))
        rules: list[dict[str, Any]] = [{"oneOf": [_is_written(name) for name in group]} for group in cls.exactly_one]
        rules += [
            {"if": _is_written(name), "then": {"allOf": [_is_written(each) for each in needed]}}
            for name, needed in cls.together.items()
        ]
        return {**made, "allOf": rules} if rules else made


def _is_written(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def field(key: KeyClass, text: str, default: Any = ..., *, examples: list[Any] | None = None, **bounds: Any) -> Any:
    """A field with its description and its key class.

    key: "result" when the value decides what a stage makes, "run" when it only shapes the next attempt, "none" otherwise.
    """
    extra: dict[str, Any] = {KEY_CLASS: key}
    if callable(default):
        # One model for all: it is frozen, and leaving defaults out of what is written asks for each of them.
        factory = cache(lambda: default()) if _is_model(default) else default
        return Field(default_factory=factory, description=text, json_schema_extra=extra, examples=examples, **bounds)
    return Field(default, description=text, json_schema_extra=extra, examples=examples, **bounds)


def _is_model(default: Any) -> bool:
    return isinstance(default, type) and issubclass(cast("type[object]", default), Model)


def rule(message: str, *, fix: str, at: str = "") -> PydanticCustomError:
    """A broken rule, to raise in a validator. `at`: the field that it is shown at, below the one that is validated."""
    return PydanticCustomError("rule", "{message}", {"message": message, "fix": fix, "at": at})


def absent(model: type[Model], written: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """(field or "", message, fix) for each rule on written fields that a part with those fields breaks."""
    for group in model.exactly_one:
        found = [name for name in group if name in written]
        if len(found) != 1:
            words = " and ".join(group)
            fix = f"remove {' or '.join(found)}" if found else f"write {' or '.join(group)}"
            yield "", f"needs exactly one of {words}", fix
    for name, needed in model.together.items():
        for each in needed:
            if name in written and each not in written:
                yield each, f"is missing: {name} needs it", f"write {each}"


class Metadata(Model):
    """Who a document is."""

    name: str = field(
        "none",
        "Name of the document, an RFC 1123 label: small letters, digits and hyphens.",
        max_length=63,
        pattern=LABEL,
        examples=["digits"],
    )
    namespace: str = field(
        "none",
        "Namespace it belongs to, an RFC 1123 label. Names are unique in a namespace.",
        "default",
        max_length=63,
        pattern=LABEL,
        examples=["vision"],
    )
    labels: dict[MapKey, LabelValue] = field(
        "none",
        "Labels, for people and selectors; they change nothing outside.",
        dict,
        max_length=64,
        examples=[{"team": "vision"}],
    )
    annotations: dict[MapKey, Annotated[str, Field(max_length=16_384)]] = field(
        "none", "Annotations, for people and tools; they change nothing outside.", dict, max_length=64
    )


class Reference(Model):
    """A reference by name."""

    name: str = field("none", "Name of the document that is meant.", max_length=63, pattern=LABEL, examples=["local"])
