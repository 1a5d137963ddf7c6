"""What a document declares, as far as its own folder tells: the script that evaluates a champion."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from samples_compile import spec
from trimtab.core.errors import UserError
from trimtab.engine.ledger import Ledger
from trimtab.engine.wanted import Wanted, check_paths, resolve, wanted_from
from trimtab.model.load import Document, load

CHAMPION = {"metric": "test:accuracy"}


class Nowhere:
    """Nothing but the document's folder."""

    def tree(self, uri: str, position: object) -> Any:
        raise AssertionError(uri)

    revision = tree


def document(**evaluation: Any) -> Document:
    return load(json.dumps(spec("evaluation", evaluation)).encode(), "d.json")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data/test/x", "model/train.py", "model/evaluate.py", "model/scores.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def wanted(folder: Path, **evaluation: Any) -> Wanted:
    return resolve(document(**evaluation), folder, elsewhere=Nowhere())


def test_the_script_is_a_content_of_its_own_and_no_training_file(folder):
    with_champion = wanted(folder, champion=CHAMPION)
    assert [each.path for each in with_champion.contents["evaluation"].entries] == ["evaluate.py"]
    assert [each.path for each in with_champion.contents["training"].entries] == ["scores.py", "train.py"]
    assert with_champion.digests.evaluation == with_champion.contents["evaluation"].digest


def test_another_script_is_another_generation_and_trains_nothing(folder):
    before = wanted(folder, champion=CHAMPION)
    (folder / "model" / "evaluate.py").write_text("other")
    after = wanted(folder, champion=CHAMPION)
    assert before.spec_digest != after.spec_digest
    assert replace(before.digests, evaluation="") == replace(after.digests, evaluation="")


def test_without_a_champion_the_script_is_nobodys(folder):
    before = wanted(folder)
    assert (before.digests.evaluation, "evaluation" in before.contents) == ("", False)
    (folder / "model" / "evaluate.py").unlink()
    assert wanted(folder).spec_digest == before.spec_digest


def test_the_ledger_remembers_it(folder):
    given = wanted(folder, champion=CHAMPION)
    contents = {"dataset": "d", "channels": {}, "training": "t", "serving": "s", "evaluation": given.digests.evaluation}
    ledger = Ledger("u", "vision", "digits", "local", "1", "r", document=given.declared, contents=contents)
    assert wanted_from(ledger).digests.evaluation == given.digests.evaluation


def test_a_script_that_is_not_there_is_a_mistake_only_where_it_is_written_out(folder):
    (folder / "model" / "evaluate.py").unlink()
    assert check_paths(document(champion=CHAMPION), folder) == []
    assert wanted(folder, champion=CHAMPION).digests.evaluation == ""
    for name in ("evaluate.py", "score.py"):
        (mistake,) = check_paths(document(champion=CHAMPION, entryPoint=name), folder)
        assert isinstance(mistake, UserError)
        assert (mistake.code, f"{name} is not in" in str(mistake)) == ("TT2007", True)


def test_a_script_of_another_name_is_found(folder):
    (folder / "model" / "eval").mkdir()
    (folder / "model" / "eval" / "score.py").write_text("score")
    given = wanted(folder, champion=CHAMPION, entryPoint="eval/score.py")
    assert [each.path for each in given.contents["evaluation"].entries] == ["eval/score.py"]
