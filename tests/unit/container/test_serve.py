"""`serve` answers right, refuses what is wrong with a reason, and drains: real processes, real HTTP."""

import io
import json
import os
import pickle
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from container_servers import POOL, Running, refusal, serving
from job_cloud import until
from models import WEIGHTS, write_model
from trimtab_container.digests import folder_digest


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ml")
    write_model(folder / "model")
    return folder


@pytest.fixture(scope="module")
def server(base):
    with serving(base) as running:
        yield running


VALUES = np.array([[0.5, 1.0], [2.0, -1.0]], dtype=np.float32)
LOGITS = VALUES @ WEIGHTS
EXPECTED = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=array.dtype.hasobject)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps({"instances": VALUES.tolist()}).encode(), "application/json"),
        (json.dumps(VALUES.tolist()).encode(), "application/json; charset=utf-8"),
        (b"0.5,1.0\n2.0,-1.0\n", "text/csv"),
        (VALUES.tobytes(), "application/octet-stream"),
        (npy(VALUES), "application/x-npy"),
    ],
)
def test_every_format_gives_the_same_answer(server, body, kind):
    reply = server.ask(body, kind)
    assert reply.status == 200
    np.testing.assert_allclose(reply.json()["predictions"], EXPECTED, atol=1e-5)
    assert reply.json()["labels"] == ["abc"[index] for index in EXPECTED.argmax(axis=1)]
    assert reply.headers["X-Trimtab-Release"] == "r1"


def test_npy_is_answered_when_it_is_accepted(server):
    reply = server.ask(VALUES.tobytes(), "application/octet-stream", Accept="application/x-npy")
    np.testing.assert_allclose(np.load(io.BytesIO(reply.data), allow_pickle=False), EXPECTED, atol=1e-5)


class Canary:
    def __reduce__(self):
        return (os.system, ("touch /tmp/trimtab-canary-was-here",))


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"", "application/json", 400, "EmptyBody"),
        (b"{", "application/json", 400, "InvalidJSON"),
        (b'{"a": 1}', "application/json", 400, "MissingField"),
        (b'{"instances": "x"}', "application/json", 400, "WrongType"),
        (b"[[1, 2], [3]]", "application/json", 400, "RaggedRecords"),
        (b"[[1, 2, 3]]", "application/json", 400, "WrongShape"),
        (b'[["a", "b"]]', "application/json", 400, "WrongType"),
        (b"1,x\n", "text/csv", 400, "InvalidCSV"),
        (b"nan,1\n", "text/csv", 400, "NotFinite"),
        (np.array([np.nan, 1], np.float32).tobytes(), "application/octet-stream", 400, "NotFinite"),
        (npy(np.array([[np.inf, 1]])), "application/x-npy", 400, "NotFinite"),
        (b"[[1e39, 0]]", "application/json", 400, "OutOfRange"),
        (b"12345", "application/octet-stream", 400, "WrongSize"),
        (b"no npy", "application/x-npy", 400, "InvalidNpy"),
        (npy(np.array([Canary()], dtype=object)), "application/x-npy", 400, "InvalidNpy"),
        (pickle.dumps(Canary()), "application/x-npy", 400, "InvalidNpy"),
        (b"x", "text/html", 415, "UnsupportedType"),
        (b"0" * (6 * 1024 * 1024 + 1), "application/json", 413, "TooLarge"),
    ],
)
def test_what_is_wrong_is_refused_with_a_reason(server, body, kind, status, reason):
    reply = server.ask(body, kind)
    assert (reply.status, reply.json()["error"]["reason"]) == (status, reason)
    assert not Path("/tmp/trimtab-canary-was-here").exists()


def test_an_accept_that_cannot_be_met_is_refused(server):
    assert server.ask(b"[[1, 2]]", Accept="text/html").status == 406


def test_version_and_metrics_are_inner_only(server, base):
    for path in ("/version", "/metrics"):
        assert POOL.request("GET", f"{server.public}{path}").status == 404
    version = POOL.request("GET", f"{server.inner}/version").json()
    assert (version["artifact"], version["release"]) == (folder_digest(base / "model"), "r1")
    before = POOL.request("GET", f"{server.inner}/metrics").data.decode()
    server.ask(b"[[1, 2]]")
    after = POOL.request("GET", f"{server.inner}/metrics").data.decode()
    assert count(after) == count(before) + 1


def count(text: str) -> int:
    return int(next(line for line in text.splitlines() if line.startswith("trimtab_request_seconds_count")).split()[1])


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "golden.json",
            lambda value: value | {"outputs": [[1, 0, 0], [1, 0, 0]]},
            "the golden request was answered otherwise",
        ),
        (
            "card.json",
            lambda value: value | {"input": {"name": "other", "dtype": "float32", "shape": [None, 2]}},
            "speaks of input",
        ),
        ("card.json", lambda value: value | {"output": {"name": "other"}}, "speaks of output other; the model has probabil"),
    ],
)
def test_a_model_that_is_not_what_it_says_is_never_ready(tmp_path, name, change, said):
    write_model(tmp_path / "model")
    file = tmp_path / "model" / name
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    assert said in refusal(tmp_path)


def test_a_model_of_another_digest_is_refused(base):
    assert "sha256:other is declared" in refusal(base, TRIMTAB_ARTIFACT_DIGEST="sha256:other")


SLOW = """
import pathlib, threading

def predict_fn(data, model):
    here = pathlib.Path(__file__).parent
    if data[0][0] == 7:  # not the golden request
        (here / "begun").touch()
        while not (here / "go").exists():
            threading.Event().wait(0.02)
    return model.run(None, {model.get_inputs()[0].name: data})[0]
"""


def test_sigterm_finishes_what_is_in_flight_and_takes_nothing_more(tmp_path):
    write_model(tmp_path / "model")
    code = tmp_path / "code"
    code.mkdir()
    (code / "inference.py").write_text(SLOW)
    with serving(tmp_path, TRIMTAB_CODE_DIR=str(code)) as running, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(running.ask, b"[[7, 1]]")
        until((code / "begun").exists)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: not listens(running))
        assert not asked.done()
        assert running.process.poll() is None
        (code / "go").touch()
        reply = asked.result()
        assert (reply.status, len(reply.json()["predictions"])) == (200, 1)
        assert running.process.wait(timeout=30) == 0


def listens(running: Running) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", int(running.public.rpartition(":")[2])), timeout=5):
            return True
    except OSError:
        return False
