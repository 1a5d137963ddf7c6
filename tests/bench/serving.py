"""The example's server beside a bare ASGI handler, MLServer, and the sum of its parts: requests a second, p99 and memory.

Every server has one core to itself, the load another. They take turns, several rounds in one run, and one runs at a time:
shared pages would make each look smaller. Ratios are of medians of requests per second of processor time: on a core of its
own that is what a server answers, and what else the machine does while it is asked counts least in it.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.local.environments import cache_folder, environment_for, serving_lock
from trimtab_container import bundle

HERE = Path(__file__).resolve().parent
ROUNDS = 3
SECONDS = 3.0
START_LIMIT_S = 60
PEERS = ("bare", "mlserver")


@dataclass(frozen=True)
class Ask:
    """One kind of request."""

    path: str
    content_type: str
    body: Path
    connections: int


@dataclass(frozen=True)
class Server:
    """How to start one server, and what to ask it."""

    name: str
    command: Sequence[str]
    variables: Mapping[str, str]
    ready: str  # path that answers 200 once the model does
    asks: Mapping[str, Ask]
    port: int
    folder: Path
    packages: Path  # its environment
    seen: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    pss_mb: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)


def measure(seconds: float = SECONDS, peers: Sequence[str] = PEERS) -> dict[str, Any]:
    """Measure the servers side by side.

    seconds: how long each is asked with each kind of request, over all rounds. Returns counts, ratios and the goals they are
    held against; a peer that could not be set up is named under "skipped", with the reason.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return {"skipped": {"all": "a core for the server and one for the load are needed; this process may use one"}}
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as place:
        work = Path(place)
        bodies = _prepare(work)
        servers, skipped = [_trimtab(work, bodies)], {}
        for name in peers:
            try:
                servers.append(_PEERS[name](work, bodies))
            except subprocess.CalledProcessError as error:
                skipped[name] = (error.stderr or str(error)).strip()[-300:]
        for turn in range(ROUNDS):
            # The order turns round, so that none is always the one after a heavier neighbour.
            for server in servers if turn % 2 == 0 else reversed(servers):
                _visit(server, cores[0], cores[1], seconds / ROUNDS)
        parts = _parts(work, bodies, cores[0], seconds)
    rows = {server.name: _row(server) for server in servers}
    return {
        "servers": rows,
        "parts": {name: round(value, 2) for name, value in (parts | _limits(parts, rows)).items()},
        "skipped": skipped,
    } | _compared(rows, parts)


# --- the servers ---


def _prepare(work: Path) -> dict[str, Path]:
    """The model, and the bodies of requests by name."""
    # ONNX is not imported by this process: the bench shares it with others.
    make = [sys.executable, "-c", "import sys, pathlib, model; model.write(pathlib.Path(sys.argv[1]))", str(work / "model")]
    subprocess.run(make, cwd=HERE / "servers", check=True)
    image = np.random.default_rng(3).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    infer = {"inputs": [{"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": image.ravel().tolist()}]}
    texts = {
        "json": json.dumps({"instances": image.tolist()}).encode(),
        "bytes": image.tobytes(),
        "v2": json.dumps(infer).encode(),
    }
    for name, text in texts.items():
        (work / name).write_bytes(text)
    return {name: work / name for name in texts}


def _asks(path: str, body: Path, raw: Path | None) -> dict[str, Ask]:
    asks = {
        "json": Ask(path, "application/json", body, 8),
        "json_32": Ask(path, "application/json", body, 32),
    }
    return asks | ({"bytes": Ask(path, "application/octet-stream", raw, 8)} if raw else {})


def _trimtab(work: Path, bodies: Mapping[str, Path]) -> Server:
    """The launcher as images run it, with the packages that images hold."""
    packages = environment_for(serving_lock(), cache_folder())
    bundle.build(work / "launcher.pyz")
    port, inner = _free_port(), _free_port()
    variables = {
        "SAGEMAKER_BASE_DIR": str(work),
        "TRIMTAB_BIND_ADDRESS": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "TRIMTAB_METRICS_PORT": str(inner),
    }
    command = [str(packages / "bin" / "python3"), str(work / "launcher.pyz"), "serve"]
    asks = _asks("/invocations", bodies["json"], bodies["bytes"])
    return Server("trimtab", command, variables, "/ping", asks, port, work, packages)


def _bare(work: Path, bodies: Mapping[str, Path]) -> Server:
    packages, port = environment_for(serving_lock(), cache_folder()), _free_port()
    command = [
        str(packages / "bin" / "python3"),
        str(HERE / "servers" / "bare.py"),
        str(work / "model" / "model.onnx"),
        str(port),
    ]
    hello = Ask("/hello", "application/json", bodies["json"], 8)
    asks = _asks("/invocations", bodies["json"], bodies["bytes"]) | {"hello": hello}
    return Server("bare", command, {}, "/hello", asks, port, work, packages)


def _mlserver(work: Path, bodies: Mapping[str, Path]) -> Server:
    packages = _mlserver_environment()
    folder, port = work / "mlserver", _free_port()
    folder.mkdir()
    shutil.copy(HERE / "servers" / "mlserver_runtime.py", folder)
    shutil.copy(work / "model" / "model.onnx", folder)
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": _free_port(),
        "metrics_port": _free_port(),
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "digits", "implementation": "mlserver_runtime.OnnxModel", "parameters": {"uri": "./model.onnx"}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    command = [str(packages / "bin" / "mlserver"), "start", str(folder)]
    asks = _asks("/v2/models/digits/infer", bodies["v2"], None)
    return Server("mlserver", command, {}, "/v2/models/digits/ready", asks, port, folder, packages)


def _mlserver_environment() -> Path:
    """Its own environment, made once. Raises CalledProcessError where it cannot be installed."""
    wanted = HERE / "servers" / "mlserver.txt"
    path = cache_folder() / "bench" / "mlserver"
    mark = path / "installed.txt"
    if mark.is_file() and mark.read_bytes() == wanted.read_bytes():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    uv = [sys.executable, "-m", "uv"]
    python = str(path / "bin" / "python")
    for words in (
        ["venv", "--quiet", "--clear", "--python", sys.executable, str(path)],
        ["pip", "install", "--quiet", "--python", python, "-r", str(wanted)],
    ):
        subprocess.run([*uv, *words], check=True, capture_output=True, text=True)
    mark.write_bytes(wanted.read_bytes())
    return path


_PEERS = {"bare": _bare, "mlserver": _mlserver}


# --- one visit ---


def _visit(server: Server, core: int, load_core: int, seconds: float) -> None:
    """Start it, ask it everything, weigh it, stop it."""
    with _running(server, core) as process:
        for name, ask in server.asks.items():
            server.seen.setdefault(name, []).append(_load(server, process.pid, ask, load_core, seconds))
        server.pss_mb.append(sum(_pss_kb(pid) for pid in _tree(process.pid)) / 1024)


@contextmanager
def _running(server: Server, core: int) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRIMTAB_", "SAGEMAKER_", "SM_"))}
    variables = {**kept, **server.variables, "OMP_NUM_THREADS": "1"}
    said = server.folder / f"{server.name}.log"
    with said.open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *server.command], cwd=server.folder, env=variables, stdout=log, stderr=log
        )
        try:
            _await_ready(server, process, said)
            server.start_s.append(time.perf_counter() - started)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(server: Server, process: "subprocess.Popen[bytes]", said: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{server.ready}", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                words = said.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{server.name} does not answer {server.ready}: {error}\n{words}") from error
        time.sleep(0.005)


def _load(server: Server, pid: int, ask: Ask, core: int, seconds: float) -> dict[str, float]:
    """Ask for some seconds; adds what the server's processes spent of their core."""
    words = [server.port, ask.path, ask.content_type, ask.body, ask.connections, seconds]
    command = ["taskset", "-c", str(core), sys.executable, str(HERE / "load.py"), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # "warm"
        before = _cpu_s(pid)
        text = process.stdout.read()
        spent = _cpu_s(pid) - before
    if process.returncode:
        raise RuntimeError(f"the load on {server.name} {ask.path} failed: exit code {process.returncode}")
    found: dict[str, float] = json.loads(text)
    return found | {"per_s": found["requests"] / found["seconds"], "per_cpu_s": found["requests"] / spent}


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    found, waiting = list[int](), [pid]
    while waiting:
        found.append(waiting.pop())
        for task in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            waiting += [int(word) for word in task.read_text().split()]
    return found


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu_s(pid: int) -> float:
    """User and system time of a process and all below it."""
    ticks = 0
    for each in _tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


# --- figures ---


def _parts(work: Path, bodies: Mapping[str, Path], core: int, seconds: float) -> dict[str, float]:
    python = environment_for(serving_lock(), cache_folder()) / "bin" / "python3"
    words = [python, HERE / "servers" / "parts.py", work / "model" / "model.onnx", bodies["json"], min(1.0, seconds / 5)]
    done = subprocess.run(["taskset", "-c", str(core), *map(str, words)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _row(server: Server) -> dict[str, Any]:
    """Medians over the rounds."""
    kinds = {
        name: {
            key: round(statistics.median(each[key] for each in rounds), 3)
            for key in rounds[0]
            if key not in ("requests", "failed")
        }
        | {key: int(sum(each[key] for each in rounds)) for key in ("requests", "failed")}
        for name, rounds in server.seen.items()
    }
    # As an image carries them: what Python compiled beside them is not counted.
    files = (path for path in server.packages.rglob("*") if path.suffix != ".pyc")
    size = sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
    return {
        **kinds,
        "pss_mb": round(statistics.median(server.pss_mb), 1),
        "start_s": round(statistics.median(server.start_s), 3),
        "packages_mb": round(size / 1e6),
    }


def _limits(parts: Mapping[str, float], rows: Mapping[str, Any]) -> dict[str, float]:
    """Requests a second that one core could answer if nothing but the parts took time."""
    if "bare" not in rows:
        return {}
    http = 1e6 / rows["bare"]["hello"]["per_cpu_s"]
    shared = http + parts["infer_us"] + parts["encode_us"]
    return {
        "http_us": http,
        "json_per_cpu_s": 1e6 / (shared + parts["parse_us"] + parts["to_array_us"]),
        "bytes_per_cpu_s": 1e6 / (shared + parts["from_bytes_us"]),
    }


def _compared(rows: Mapping[str, Any], parts: Mapping[str, float]) -> dict[str, Any]:
    """Ratios, and the goals that they are held against: (value, goal, met)."""
    ours, limits = rows["trimtab"], _limits(parts, rows)
    ratios = {"bytes_to_json": ours["bytes"]["per_cpu_s"] / ours["json"]["per_cpu_s"]}
    if "bare" in rows:
        ratios |= {
            f"{kind}_to_bare": ours[kind]["per_cpu_s"] / rows["bare"][kind]["per_cpu_s"] for kind in ("json", "bytes")
        }
        ratios["json_to_parts"] = ours["json"]["per_cpu_s"] / limits["json_per_cpu_s"]
    if "mlserver" in rows:
        ratios["json_to_mlserver"] = ours["json"]["per_cpu_s"] / rows["mlserver"]["json"]["per_cpu_s"]
    at_least = {"json_to_bare": 1.1, "json_to_parts": 0.5, "json_to_mlserver": 3.0, "bytes_to_json": 1.4}
    at_most = {
        "json_32_p99_ms": (ours["json_32"]["p99_ms"], 20),
        "pss_mb": (ours["pss_mb"], 80),
        "start_s": (ours["start_s"], 0.5),
        "packages_mb": (ours["packages_mb"], 210),
    }
    goals = {
        name: {"value": round(ratios[name], 2), "at_least": goal, "met": ratios[name] >= goal}
        for name, goal in at_least.items()
        if name in ratios
    }
    goals |= {name: {"value": value, "at_most": goal, "met": value <= goal} for name, (value, goal) in at_most.items()}
    return {"ratios": {name: round(value, 3) for name, value in ratios.items()}, "goals": goals}
