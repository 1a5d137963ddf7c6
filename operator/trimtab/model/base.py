"""What every model of the API shares: frozen, no unknown fields, camelCase outside, and a key class on each field."""

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

KeyClass: TypeAlias = Literal["result", "run", "none"]
KEY_CLASS = "x-trimtab-key"
API_VERSION = "trimtab.dev/v1alpha1"
LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"  # RFC 1123


class Model(BaseModel):
    """A part of a document."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, validate_default=True, strict=False
    )


def field(key: KeyClass, text: str, default: Any = ..., *, examples: list[Any] | None = None, **bounds: Any) -> Any:
    """A field with its description and its key class.

    key: "result" when the value decides what a stage makes, "run" when it only shapes the next attempt, "none" otherwise.
    """
    extra: dict[str, Any] = {KEY_CLASS: key}
    make: Any = Field  # its overloads know no bounds given as a mapping
    if callable(default):
        return make(default_factory=default, description=text, json_schema_extra=extra, examples=examples, **bounds)
    return make(default, description=text, json_schema_extra=extra, examples=examples, **bounds)


class Metadata(Model):
    """Who a document is."""

    name: str = field("none", "Name, an RFC 1123 label.", max_length=63, pattern=LABEL, examples=["digits"])
    namespace: str = field("none", "Namespace, an RFC 1123 label.", "default", max_length=63, pattern=LABEL)
    labels: dict[str, str] = field("none", "Labels, for people and selectors; they change nothing.", dict)
    annotations: dict[str, str] = field("none", "Annotations, for people and tools; they change nothing.", dict)


class Reference(Model):
    """A reference by name."""

    name: str = field("none", "Name of what is meant.", max_length=63, pattern=LABEL, examples=["local"])
