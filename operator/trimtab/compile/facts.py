"""What compile must know beside the documents: everything that could move under us, resolved to what cannot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trimtab.model.serving import Serving


@dataclass(frozen=True, slots=True)
class Digests:
    """Content by digest, "sha256:..." each; "" for what a document does not have."""

    dataset: str
    channels: Mapping[str, str]  # by channel: the folders at the dataset's top, or "training" for files there
    training: str  # the code's files that training uses
    serving: str  # those that serving uses
    dockerfile: str = ""
    model: str = ""  # of the folder of a model that needs no training
    evaluation: str = ""  # the script that evaluates a champion again; "" where there is none, or no champion is declared
    evaluated_on: str = ""  # test data of a promoted model, as the revision that it comes from pinned it
    base: str = ""  # no digest: the image that the model's own Dockerfile stands on, as it is written; "" for none

    @property
    def is_own_image(self) -> bool:
        """Whether the model's folder says by a Dockerfile what serves it."""
        return bool(self.base)

    @property
    def is_one_channel(self) -> bool:
        """Whether the dataset has no folders that are channels: all of it is the channel `training`."""
        return set(self.channels) == {"training"} and self.channels["training"] == self.dataset

    @property
    def test(self) -> str:
        """What models are compared on: the test channel, else the whole dataset; "" where that is not known."""
        return self.evaluated_on or self.channels.get("test", self.dataset)

    def is_beside_test(self, metric: str) -> bool:
        """Whether a metric ("validation:accuracy") is measured on another channel than `test`: then all data count."""
        channel = metric.partition(":")[0]
        return channel != "test" and {channel, "test"} <= set(self.channels)


@dataclass(frozen=True, slots=True)
class Pin:
    """What a text that may move was resolved to, once: sticky until the text changes or a refresh is asked for."""

    text: str  # "…/pytorch-training:2"
    digest: str  # "sha256:..."


@dataclass(frozen=True, slots=True)
class ServingModel:
    """The model that serves now, as a candidate is compared with it."""

    artifact: str
    test: str  # digest of the data it was evaluated on
    metrics: Mapping[str, float]
    folder: str = ""  # its plain files in the data bucket, with a last slash; "" where they are not known
    dataset: str = ""  # digest of all the data that it was trained and evaluated with


@dataclass(frozen=True, slots=True)
class Held:
    """The release that a person rolled back to: it runs, whatever the document's own would be."""

    key: str  # release key
    image: str  # digest
    artifact: str  # digest
    serving: Serving  # as that revision declared it
    version: str = ""  # of its document


@dataclass(frozen=True, slots=True)
class Facts:
    uid: str
    environment_uid: str
    digests: Digests
    pins: Mapping[str, Pin]  # "training" image, "serving" base image, "launcher"
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])  # by training key
    serving_model: ServingModel | None = None
    proven: frozenset[str] = field(default_factory=frozenset[str])  # digests of artifacts that serve or have served
    ordinals: Mapping[str, int] = field(default_factory=dict[str, int])  # retrainings asked for, by the plain training key
    attempts: Mapping[str, int] = field(default_factory=dict[str, int])  # of a release that was retried, by its key
    held: Held | None = None
    holds: tuple[str, ...] = ()  # 12 digits of release keys: `held` by its key, known even where its revision is not
    quarantine: tuple[str, ...] = ()  # 12 digits of release keys, oldest first
    version: str = ""  # of the document, as its source calls it: a commit id. It is in tags alone, and decides nothing
