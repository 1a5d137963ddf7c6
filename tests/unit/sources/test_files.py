"""What every source shares: many documents, and the bounds of what is read. Bad input of issue 6."""

import time
from pathlib import Path

import pytest

from trimtab.core.errors import UserError
from trimtab.engine.board import Board, Configured, Make, changed
from trimtab.model.load import Document
from trimtab.sources import files
from trimtab.sources.files import MOST_DOCUMENTS, listing_of

TEXT = """
apiVersion: trimtab.dev/v1alpha1
kind: ModelDeployment
metadata: {name: d%d, namespace: vision}
spec:
  model: {source: ./model}
"""


def place(document: Document) -> tuple[Path, str]:
    return Path(document.file), "as it was"


def texts_of(count: int) -> dict[str, bytes]:
    return {f"{number}/deployment.yaml": (TEXT % number).encode() for number in range(count)}


@pytest.mark.slow
def test_ten_thousand_documents_are_read_once_and_known_from_then_on():
    texts = texts_of(MOST_DOCUMENTS)
    began = time.monotonic()
    listing = listing_of(texts, place)
    first_s = time.monotonic() - began
    assert len(listing.declared) == 10_000
    began = time.monotonic()
    again = listing_of(texts, place)
    assert time.monotonic() - began < first_s / 10  # a source is looked at every few seconds
    assert again == listing
    board = Board((Configured("folder"),), frozenset({"local"}), {"folder": listing})
    tasks = board.tasks()
    assert {type(each) for each in tasks.values()} == {Make}
    texts["7/deployment.yaml"] = (TEXT % 7).encode() + b"  suspend: true\n"
    edited = {
        "folder": listing_of(texts, lambda each: (Path(each.file), "another" if each.file[:2] == "7/" else "as it was"))
    }
    assert changed(tasks, Board(board.sources, board.environments, edited).tasks()) == {"vision/d7"}


@pytest.mark.parametrize("is_one_file", [False, True])
def test_more_than_a_source_may_have_are_refused_with_what_to_do(monkeypatch, is_one_file):
    monkeypatch.setattr(files, "MOST_DOCUMENTS", 5)
    texts = texts_of(6)
    if is_one_file:
        texts = {"all.yaml": b"---".join(texts.values())}
    with pytest.raises(UserError, match=r"6 (files|documents); a source may have 5") as raised:
        listing_of(texts, place)
    assert "divide it into several sources" in raised.value.fix
    assert len(listing_of(texts_of(5), place).declared) == 5
