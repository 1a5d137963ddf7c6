"""inference.py: any subset of the four functions answers, and what goes wrong in one is said in the right place."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import urllib3
from onnx import TensorProto, helper

from container_servers import POOL, refusal, serving
from models import WEIGHTS, write_model

VALUES = np.array([[0.5, 1.0], [2.0, -1.0]], dtype=np.float32)
LOGITS = VALUES @ WEIGHTS
EXPECTED = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)

FUNCTIONS = {
    "model_fn": """
def model_fn(model_dir):
    import onnxruntime
    print("model_fn was here")
    return onnxruntime.InferenceSession(model_dir + "/model.onnx", providers=["CPUExecutionProvider"])
""",
    "input_fn": """
def input_fn(request_body, request_content_type):
    import numpy
    if request_content_type != "text/x-pairs":
        raise ValueError(f"{request_content_type} is not taken")
    return numpy.array([[float(cell) for cell in pair.split(":")] for pair in request_body.decode().split()], "float32")
""",
    "predict_fn": """
def predict_fn(data, model, context):
    return model.run(None, {model.get_inputs()[0].name: data})[0] * 100
""",
    "output_fn": """
def output_fn(prediction, accept):
    return ";".join(",".join(f"{value:.5f}" for value in row) for row in prediction), "text/x-rows"
""",
}
SUBSETS = [subset for size in range(1, 5) for subset in itertools.combinations(FUNCTIONS, size)]


def project(folder: Path, code: str, **files: str) -> Path:
    """A base folder with a model, and code/inference.py."""
    write_model(folder / "model")
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(code)
    for name, text in files.items():
        path = folder / "code" / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def with_hooks(base: Path):
    return serving(base, TRIMTAB_CODE_DIR=str(base / "code"))


@pytest.mark.parametrize("names", SUBSETS, ids="+".join)
def test_any_subset_answers_and_the_rest_is_ours(tmp_path, names):
    base = project(tmp_path, "".join(FUNCTIONS[name] for name in names))
    with with_hooks(base) as running:
        assert running.ping().status == 200, running.log
        ours, theirs = json.dumps(VALUES.tolist()).encode(), b"0.5:1.0 2.0:-1.0"
        reply = running.ask(theirs, "text/x-pairs") if "input_fn" in names else running.ask(ours)
        assert reply.status == 200, running.log
        if "output_fn" in names:
            assert reply.headers["Content-Type"] == "text/x-rows"
            answers = [[float(cell) for cell in row.split(",")] for row in reply.data.decode().split(";")]
        else:
            answers = reply.json()["predictions"]
            assert reply.json()["labels"] == ["abc"[index] for index in EXPECTED.argmax(axis=1)]
        np.testing.assert_allclose(answers, EXPECTED * (100 if "predict_fn" in names else 1), atol=1e-3)
        assert ("model_fn was here" in running.log) == ("model_fn" in names)
        assert reply.headers["X-Trimtab-Hooks"] == ",".join(names)


def test_the_body_is_text_where_the_toolkit_makes_it_text_and_the_context_has_the_headers(tmp_path):
    code = """
import json
def input_fn(body, kind, context):
    return [type(body).__name__, kind, context.get_request_header(0, "X-Custom"), context.system_properties["model_dir"]]
def predict_fn(data, model):
    return {"seen": data}
def output_fn(prediction, accept):
    return json.dumps(prediction | {"accept": accept}).encode()
"""
    base = project(tmp_path, code)
    with with_hooks(base) as running:
        reply = running.ask(b"{}", "application/json; charset=utf-8", Accept="*/*", **{"X-Custom": "a"})
        assert reply.json() == {"seen": ["str", "application/json", "a", str(base / "model")], "accept": "application/json"}
        assert reply.headers["Content-Type"] == "application/json"
        reply = running.ask(b"\xff", "image/png", Accept="text/plain;q=0.5, */*")
        assert reply.json() == {"seen": ["bytes", "image/png", None, str(base / "model")], "accept": "text/plain"}
        assert reply.headers["Content-Type"] == "text/plain"
        assert running.ask(b"\xff", "text/csv").json()["error"]["reason"] == "InvalidText"


def test_a_prediction_that_is_no_array_is_written_as_the_json_it_is(tmp_path):
    base = project(tmp_path, "def predict_fn(data, model): return {'kind': 'x', 'of': len(data)}\n")
    with with_hooks(base) as running:
        assert running.ask(b"[[1, 2], [3, 4]]").json() == {"kind": "x", "of": 2}
        assert running.ask(b"[[1, 2]]", Accept="application/x-npy").status == 406


@pytest.mark.parametrize(
    ("code", "status", "reason", "told"),
    [
        ("def input_fn(b, c): raise ValueError(f'no {c}')", 415, "UnsupportedType", "no application/json"),
        ("def input_fn(b, c): raise ValueError('no column a')", 400, "BadInput", "no column a"),
        ("def input_fn(b, c): return float(b)", 400, "BadInput", "could not convert"),
        ("def input_fn(b, c): raise KeyError('secret')", 500, "HookFailed", "input_fn of inference.py failed"),
        ("def input_fn(b, c): return 'no numbers'", 500, "HookFailed", "given what input_fn returned"),
        ("def input_fn(b, c): import sys; sys.exit(3)", 500, "HookFailed", "input_fn of inference.py failed"),
        (
            "class E(Exception): status_code = 422\ndef input_fn(b, c): raise E('not so')",
            422,
            "Refused",
            "not so",
        ),
        (
            "def input_fn(b, c): return 1\ndef predict_fn(d, m): raise ValueError('secret')",
            500,
            "HookFailed",
            "predict_fn of inference.py failed",
        ),
        (
            "def input_fn(b, c): return [[1, 2]]\ndef output_fn(p, a): raise ValueError(f'{a}: secret?')",
            406,
            "NotAcceptable",
            "application/json",
        ),
        ("def input_fn(b, c): return [[1, 2]]\ndef output_fn(p, a): return 7", 500, "HookFailed", "output_fn of"),
        (
            "def input_fn(b, c): return 1\ndef predict_fn(d, m): return object()",
            500,
            "HookFailed",
            "predict_fn of inference.py failed",
        ),
    ],
)
def test_what_goes_wrong_in_a_hook_is_told_by_whose_fault_it_is(tmp_path, code, status, reason, told):
    base = project(tmp_path, code)
    with with_hooks(base) as running:
        reply = running.ask(b"{}")
        assert (reply.status, reply.json()["error"]["reason"]) == (status, reason), running.log
        assert told in reply.json()["error"]["message"]
        text = reply.data.decode()
        assert "Traceback" not in text
        assert str(base) not in text
        if status == 500:
            assert "secret" not in text
            assert running.log.count("trimtab: ") >= 2
            assert "HookFailed" not in running.log
        assert running.ping().status == 200


def test_the_log_has_a_short_traceback_that_ends_in_the_users_line(tmp_path):
    base = project(tmp_path, "def input_fn(b, c):\n    import deep\n    return deep.one(b)\n", **{"deep.py": DEEP})
    with with_hooks(base) as running:
        assert running.ask(b"{}").status == 500
        told = running.log[running.log.index("trimtab: input_fn raised KeyError") :]
        assert told.rstrip().endswith('return {}["secret"]') or "^^^" in told.rstrip().splitlines()[-1]
        assert len(told.splitlines()) <= 30


DEEP = 'def one(body, n=50):\n    return one(body, n - 1) if n else two(body)\ndef two(body):\n    return {}["secret"]\n'


WAITS = """
import threading
def predict_fn(data, model):
    if data[0][0] == 7:
        threading.Event().wait()
    return data
"""


@pytest.mark.slow  # it drains for as long as a container may
def test_hooks_that_wait_do_not_hold_up_ping_and_the_server_stops_under_them(tmp_path):
    base = project(tmp_path, WAITS)
    with with_hooks(base) as running:
        stuck = [threading.Thread(target=ask_until_cut, args=(running,)) for _ in range(2 * (os.cpu_count() or 1))]
        for each in stuck:
            each.start()
        wait_for(lambda: in_flight(running) == len(stuck))
        started = time.monotonic()
        assert running.ping().status == 200
        assert time.monotonic() - started < 0.5
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=40) == 0
        for each in stuck:
            each.join()


def ask_until_cut(running) -> None:
    try:
        running.ask(b"[[7, 7]]")
    except urllib3.exceptions.HTTPError:
        return


def in_flight(running) -> int:
    text = POOL.request("GET", f"{running.inner}/metrics").data.decode()
    return int(next(line for line in text.splitlines() if line.startswith("trimtab_requests_in_flight")).split()[1])


def wait_for(true) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def start(base: Path) -> subprocess.CompletedProcess[str]:
    """A server that must not start."""
    environment = {
        "PATH": os.environ["PATH"],
        "SAGEMAKER_BASE_DIR": str(base),
        "TRIMTAB_CODE_DIR": str(base / "code"),
        "TRIMTAB_BIND_ADDRESS": "127.0.0.1",
    }
    command = [sys.executable, "-m", "trimtab_container", "serve"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("\nimport nowhere_to_be_found\n", "inference.py:2: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("import broken\n", "broken.py:2: ZeroDivisionError: division by zero"),
        ("def f(:\n", "inference.py:1: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit('enough')\n", "inference.py:2: SystemExit: enough"),
        ("\ndef predict_fn(data): ...\n", "inference.py:2: predict_fn takes 1 argument; predict_fn(data, model[, context])"),
        ("def model_fn(a, b, c): ...\n", "inference.py:1: model_fn takes 3 arguments; model_fn(model_dir[, context])"),
        ("def output_fn(a, b, *, c): ...\n", "inference.py:1: output_fn needs c by name"),
        ("async def input_fn(a, b): ...\n", "inference.py:1: input_fn is async, which is not supported"),
        ("def transform_fn(m, b, c, a): ...\n", "inference.py:1: transform_fn is not supported: write it as input_fn"),
        ("input_fn = 3\n", "inference.py:1: input_fn is no function"),
        ("x = 1\n", "inference.py:1: defines none of model_fn, input_fn, predict_fn, output_fn"),
    ],
)
def test_code_that_cannot_serve_ends_the_server_at_once_with_one_line(tmp_path, code, said):
    done = start(project(tmp_path, code, **{"broken.py": "\n1 / 0\n"}))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("trimtab: ")
    assert said in line


def golden(body: object, answer: object) -> str:
    return json.dumps({"request": {"contentType": "text/x-pairs", "body": body}, "response": {"body": answer}})


BOTH = FUNCTIONS["input_fn"] + "def predict_fn(data, model): return model(data)\n"
OWN_MODEL = "def model_fn(folder): return lambda data: data.sum(axis=1)\n" + BOTH


@pytest.mark.parametrize(
    ("code", "files", "said"),
    [
        ("def model_fn(folder): raise OSError('no such weights')", {}, "model_fn raised OSError: no such weights"),
        ("def model_fn(folder): return 3", {}, "model_fn returned int: define predict_fn too"),
        (
            "def model_fn(folder): return 2\ndef predict_fn(data, model): return data * model",
            {},
            "the golden request was answered otherwise",
        ),
        ("def predict_fn(data, model): return model.nope", {}, "predict_fn raised AttributeError"),
        (FUNCTIONS["input_fn"], {"serve__golden.json": golden("1:0", {"predictions": []})}, "otherwise than declared"),
        (
            FUNCTIONS["input_fn"],
            {"serve__golden.json": golden("1:x", "")},
            "the golden request is refused: could not convert",
        ),
        (FUNCTIONS["input_fn"], {"serve__golden.json": "{}"}, "golden.json: 'request' is missing"),
        (OWN_MODEL, {}, "only serve/golden.json can prove"),
        (OWN_MODEL, {"serve__golden.json": golden("1:2", {"predictions": [4.0]})}, "otherwise than declared"),
    ],
)
def test_a_server_whose_golden_request_fails_is_never_ready(tmp_path, code, files, said):
    base = project(tmp_path, code, **files)
    assert said in refusal(base, TRIMTAB_CODE_DIR=str(base / "code"))


def test_a_model_of_ones_own_is_proven_by_a_whole_request(tmp_path):
    base = project(tmp_path, OWN_MODEL, **{"serve__golden.json": golden("1:2", {"predictions": [3.0]})})
    (base / "model" / "model.onnx").unlink()
    with with_hooks(base) as running:
        assert running.ping().status == 200, running.log
        assert running.ask(b"1:2 3:4", "text/x-pairs").json() == {"predictions": [3.0, 7.0]}
        assert "serve/golden.json is answered as declared" in running.log


def test_a_model_with_several_inputs_is_served_and_proven_through_predict_fn(tmp_path):
    code = """
def predict_fn(data, model):
    return model.run(None, {"a": data[:, :1], "b": data[:, 1:]})[0]
"""
    base = project(tmp_path, code)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("a", "b", "sum")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "g", ends[:2], ends[2:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(made, base / "model" / "model.onnx")
    golden = {"inputs": [[1, 2]], "outputs": [[3]]}
    (base / "model" / "golden.json").write_text(json.dumps(golden))
    with with_hooks(base) as running:
        assert running.ask(b"[[5, 6], [7, 8]]").json() == {"predictions": [[11.0], [15.0]]}, running.log
    (base / "model" / "golden.json").write_text(json.dumps(golden | {"outputs": [[4]]}))
    assert "answered otherwise than in training" in refusal(base, TRIMTAB_CODE_DIR=str(base / "code"))
