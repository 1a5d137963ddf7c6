"""OperatorConfig: a source is one thing."""

import pytest

from trimtab.model.load import load
from trimtab.model.operator import OperatorConfig

TEXT = """
apiVersion: trimtab.dev/v1alpha1
kind: OperatorConfig
metadata: {name: operator}
spec:
  sources: [@]
"""


def mistakes(source: str) -> list[str]:
    try:
        load(TEXT.replace("@", source).encode(), "operator.yaml")
    except ExceptionGroup as group:
        return [str(each) for each in group.exceptions]
    return []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{folder: {path: a}, git: {repository: b}}", "names folder and git"),
        ("{s3: {bucket: team}, git: {repository: b}}", "names git and s3"),
        ("{s3: {bucket: Team}}", "bucket"),
        ("{interval: 5s}", "names nothing to read"),
        ("{git: {repository: b, ref: main, statusBranch: main}}", "is the branch that documents are read from"),
        ("{git: {repository: b, ref: '-x'}}", "ref"),
        ("{git: {repository: b, path: /etc}}", "path"),
    ],
)
def test_what_is_no_source_is_refused(source, said):
    (mistake,) = mistakes(source)
    assert said in mistake


def test_what_is_one_is_taken():
    (document,) = load(TEXT.replace("@", "{git: {repository: 'git@host:a.git', path: models}}").encode(), "operator.yaml")
    assert isinstance(document.value, OperatorConfig)
    (source,) = document.value.spec.sources
    assert source.git.ref == "main"
    assert source.folder is None
