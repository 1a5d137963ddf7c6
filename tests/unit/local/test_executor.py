"""Units are real processes: what they see, how they end, and what is left of them."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from made_images import HOST_LABELS, MemoryStore, config_of, push, push_script, tar_of
from trimtab.local import executor as executor_module
from trimtab.local import supervisor
from trimtab.local.executor import ProcessExecutor, namespaces_work
from trimtab.local.images import ImageStore
from trimtab.local.overlay import Exited, Preparing, Running, Unit

ISOLATED = pytest.param(
    True, id="namespaces", marks=pytest.mark.skipif(not namespaces_work()[0], reason=namespaces_work()[1])
)
REWRITTEN = pytest.param(False, id="rewritten paths")
WAIT_S = 20.0


def until(condition: Callable[[], Any], within_s: float = WAIT_S) -> Any:
    """Wait for a condition; answers its first true value."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.01)
    return value


def is_gone(pid: int) -> bool:
    return not supervisor.ticks(pid)


@dataclass
class Bench:
    """An executor with its images; every unit logs to a file of its own."""

    folder: Path
    images: ImageStore
    executor: ProcessExecutor

    def unit(self, image: str, *command: str, id: str = "unit/1", **changes: Any) -> Unit:
        log = self.folder / "logs" / f"{id.replace('/', '-')}.log"
        return Unit(**{"id": id, "image": image, "command": command, "environment": {}, "log": log, **changes})

    def begin(self, script: str, *command: str, id: str = "unit/1", **changes: Any) -> Unit:
        """Start a script as an image of its own, and wait until it runs."""
        name = "test/" + re.sub(r"\W", "-", id)
        unit = self.unit(push_script(self.images, name, script), *command, id=id, **changes)
        self.executor.start(unit)
        until(lambda: not isinstance(self.executor.state(id), Preparing))
        return unit

    def run(self, script: str, *command: str, id: str = "unit/1", **changes: Any) -> tuple[Exited, str]:
        """Run a script to its end; (how, what it wrote)."""
        unit = self.begin(script, *command, id=id, **changes)
        return self.end(id), unit.log.read_text() if unit.log.exists() else ""

    def end(self, id: str = "unit/1") -> Exited:
        return until(lambda: state if isinstance(state := self.executor.state(id), Exited) else None)

    def said(self, unit: Unit, lines: int = 1) -> list[str]:
        """What a unit has written, once there are so many lines."""

        def whole() -> list[str] | None:
            written = unit.log.read_text().splitlines() if unit.log.exists() else []
            return written if len(written) >= lines else None

        return until(whole)

    def again(self) -> ProcessExecutor:
        """Another executor on the same folder, as after a restart."""
        return ProcessExecutor(self.folder / "units", self.images, self.executor._cache)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def make(tmp_path: Path, cache: Path) -> Iterator[Callable[[bool | None], Bench]]:
    made: list[Bench] = []

    def one(namespaces: bool | None) -> Bench:
        images = ImageStore(tmp_path / "registry", MemoryStore())
        made.append(Bench(tmp_path, images, ProcessExecutor(tmp_path / "units", images, cache, namespaces=namespaces)))
        return made[-1]

    yield one
    for each in made:
        for id in each.executor.units():
            each.executor.stop(id, 0.0)
        each.executor.stop_all(0.0)
        left = [pid for place in (tmp_path / "units").iterdir() for pid in executor_module._marked(place)]
        assert left == []


@pytest.fixture(params=[ISOLATED, REWRITTEN])
def bench(request: pytest.FixtureRequest, make: Callable[[bool | None], Bench]) -> Bench:
    return make(request.param)


@pytest.fixture
def plain(make: Callable[[bool | None], Bench]) -> Bench:
    return make(None)


# --- what a unit is given -------------------------------------------------------------------------------------------


def test_output_and_exit_code_are_kept_as_they_came(bench: Bench):
    ended, log = bench.run(
        """
        import os, sys
        os.write(1, b"out\\n"); os.write(2, b"err\\n")
        sys.exit(7)
        """.replace("        ", "")
    )
    assert (ended.code, ended.because, log) == (7, "", "out\nerr\n")


def test_a_signal_counts_as_a_shell_counts(bench: Bench):
    ended, _ = bench.run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert ended.code == 128 + signal.SIGSEGV


def test_words_are_words_whatever_is_in_them(bench: Bench):
    ended, log = bench.run("import sys, json; print(json.dumps(sys.argv[1:]))", "$(id)", "a b", "", "'\"\n;")
    assert ended.code == 0
    assert json.loads(log) == ["$(id)", "a b", "", "'\"\n;"]


LOOK = """
import json, os, sys
base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
code = os.environ.get("TRIMTAB_CODE_DIR", "/opt/program")
print(json.dumps({
    "input": open(f"{base}/input/data/train/x.csv").read(),
    "model": open(f"{base}/model/model.onnx").read(),
    "beside": open(f"{code}/helper.txt").read(),
    "prefix": sys.prefix, "variables": dict(os.environ), "arguments": sys.argv[1:],
    "home": os.listdir(os.environ["HOME"]),
}))
open(f"{base}/output/result", "w").write("made")
open(f"{base}/model/model.onnx", "a").write(" touched")
open(f"{code}/helper.txt", "a").write(" touched")
"""


def look(bench: Bench, id: str, **changes: Any) -> dict[str, Any]:
    files = {"opt/program/main.py": LOOK, "opt/program/helper.txt": "help", "opt/ml/model/model.onnx": "onnx"}
    config = config_of(Entrypoint=["python3", "/opt/program/main.py"], Env=["FROM_IMAGE=1", "PATH=/image/bin"])
    image = push(bench.images, "test/look", [tar_of(files)], config)
    data = bench.folder / "input"
    (data / "data/train").mkdir(parents=True, exist_ok=True)
    (data / "data/train/x.csv").write_text("1,2")
    mounts = {"/opt/ml/input": data, "/opt/ml/output": bench.folder / "output"}
    unit = bench.unit(image, "/opt/ml/model", "--x=/opt/ml/input", "/opt/mlx", id=id, mounts=mounts, **changes)
    bench.executor.start(unit)
    ended = bench.end(id)
    assert ended.code == 0, (ended, unit.log.read_text() if unit.log.exists() else "")
    return json.loads(unit.log.read_text())


def test_a_unit_sees_its_image_its_mounts_and_its_environment(bench: Bench):
    seen = look(bench, "look/1", environment={"GIVEN": "yes"}, address="127.32.0.9")
    assert (seen["input"], seen["model"], seen["beside"]) == ("1,2", "onnx", "help")
    assert (bench.folder / "output/result").read_text() == "made"
    variables = seen["variables"]
    assert (variables["GIVEN"], variables["FROM_IMAGE"]) == ("yes", "1")
    assert variables["TRIMTAB_BIND_ADDRESS"] == "127.32.0.9"
    assert variables["PATH"].split(":")[0] == f"{seen['prefix']}/bin"
    assert seen["prefix"].startswith(str(bench.executor._cache))
    assert seen["home"] == []


def test_without_a_namespace_words_name_the_real_folders(make: Callable[[bool | None], Bench]):
    bench = make(False)
    model, given, other = look(bench, "look/1")["arguments"]
    assert Path(model).joinpath("model.onnx").is_file()
    assert Path(given.removeprefix("--x=")).joinpath("data/train/x.csv").is_file()
    assert other == "/opt/mlx"


def test_what_a_unit_writes_into_its_image_no_other_unit_sees(bench: Bench):
    first, second = look(bench, "look/1"), look(bench, "look/2")
    assert (first["model"], first["beside"]) == (second["model"], second["beside"]) == ("onnx", "help")


def test_nothing_of_the_gateways_environment_reaches_a_unit(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    ended, log = bench.run("import os, json; print(json.dumps(dict(os.environ)))")
    assert ended.code == 0
    variables: Mapping[str, str] = json.loads(log)
    expected = {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "OMP_NUM_THREADS", "AWS_EC2_METADATA_DISABLED", "TRIMTAB_UNIT"}
    paths = {"SAGEMAKER_BASE_DIR", "TRIMTAB_CODE_DIR"}
    assert expected <= set(variables) <= expected | paths | {"LC_CTYPE"}


@pytest.mark.skipif(not namespaces_work()[0], reason=namespaces_work()[1])
def test_the_users_aws_files_are_hidden(make: Callable[[bool | None], Bench], monkeypatch: pytest.MonkeyPatch):
    bench = make(True)
    home = bench.folder / "users-home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text("secret")
    monkeypatch.setenv("HOME", str(home))
    ended, log = bench.run("import os, sys; print(os.listdir(sys.argv[1]))", str(home / ".aws"))
    assert (ended.code, log) == (0, "[]\n")
    assert (home / ".aws/credentials").read_text() == "secret"


@pytest.mark.skipif(not namespaces_work()[0], reason=namespaces_work()[1])
def test_the_machines_own_opt_stays_beside_the_images(make: Callable[[bool | None], Bench]):
    ended, log = make(True).run("import os, json; print(json.dumps(os.listdir('/opt')))")
    assert ended.code == 0
    assert set(json.loads(log)) == {each.name for each in Path("/opt").iterdir()} | {"ml", "trimtab", "program"}


def test_an_entry_point_of_ones_own_drops_the_images_arguments(bench: Bench):
    script = "import sys; print(sys.argv[1:])"
    image = push_script(bench.images, "test/words", script, Cmd=["serve"])
    program = ("python3", "/opt/program/main.py")
    for id, entrypoint, command, expected in [
        ("w/1", (), (), "['serve']"),
        ("w/2", (), ("train",), "['train']"),
        ("w/3", program, (), "[]"),
        ("w/4", program, ("x",), "['x']"),
    ]:
        unit = bench.unit(image, *command, id=id, entrypoint=entrypoint)
        bench.executor.start(unit)
        assert bench.end(id).code == 0
        assert unit.log.read_text().strip() == expected


# --- what cannot be run ---------------------------------------------------------------------------------------------


def linked(target: str) -> Callable[[Any], None]:
    def change(entry: Any) -> None:
        entry.type, entry.linkname, entry.size = b"2", target, 0

    return change


def device(entry: Any) -> None:
    entry.type, entry.size = b"3", 0


@pytest.mark.parametrize(
    ("layer", "config", "because"),
    [
        pytest.param(tar_of({"opt/a": "x"}), config_of({}), "does not stand on a host base", id="another base"),
        pytest.param(tar_of({"usr/bin/x": "x"}), config_of(), "only what lies below /opt", id="outside /opt"),
        pytest.param(tar_of({"opt/../../x": "x"}), config_of(), "leaves the image", id="a path out"),
        pytest.param(tar_of({"/opt/x": "x"}), config_of(), "leaves the image", id="an absolute path"),
        pytest.param(tar_of({"opt/x": ""}, linked("/etc/passwd")), config_of(), "leaves the image", id="a link out"),
        pytest.param(tar_of({"opt/x": ""}, linked("../../y")), config_of(), "leaves the image", id="a relative link out"),
        pytest.param(tar_of({"opt/x": ""}, device), config_of(), "neither file, folder nor link", id="a device"),
        pytest.param(b"no tar", config_of(Entrypoint=["x"]), "cannot be unpacked", id="no archive"),
        pytest.param(tar_of({"opt/x": "x"}), config_of(), "no entry point", id="nothing to run"),
        pytest.param(tar_of({"opt/x": "x"}), config_of(Entrypoint=["nothing-of-this-name"]), "nothing-of-this-name",
                     id="a program that is not there"),
        pytest.param(tar_of({"opt/x": "x"}), config_of(Entrypoint=["python3"], WorkingDir="/opt/none"), "/opt/none",
                     id="a working directory that is not there"),
        pytest.param(tar_of({"opt/x": "x"}), config_of(HOST_LABELS | {"trimtab.dev/requirements": "no-hash==1"},
                     Entrypoint=["python3"]), "uv pip failed", id="a lock without hashes"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_says_why(plain: Bench, layer: bytes, config: bytes, because: str):
    plain.executor.start(plain.unit(push(plain.images, "test/bad", [layer], config)))
    ended = plain.end()
    assert ended.code == 125
    assert because in ended.because
    assert plain.again().state("unit/1") == ended  # a restart forgets it not


def test_a_layer_cannot_write_through_a_link_of_an_earlier_one(plain: Bench):
    outside = plain.folder / "outside"
    outside.mkdir()
    link = tar_of({"opt/door": ""}, linked(str(outside)))
    image = push(plain.images, "test/bad", [link, tar_of({"opt/door/x": "x"})], config_of(Entrypoint=["python3"]))
    plain.executor.start(plain.unit(image))
    assert plain.end().code == 125
    assert list(outside.iterdir()) == []


def test_an_image_that_is_not_in_the_registry_says_so(plain: Bench):
    plain.executor.start(plain.unit("127.0.0.1:4566/none:1"))
    assert plain.executor.image_digest("127.0.0.1:4566/none:1") is None
    ended = plain.end()
    assert (ended.code, "not in the local registry" in ended.because) == (125, True)


@pytest.mark.parametrize("target", ["/opt", "/opt/../etc", "/no-such-folder"])
def test_a_mount_that_cannot_be_made_says_so(bench: Bench, target: str):
    ended, _ = bench.run("", mounts={target: bench.folder / "volume"})
    assert (ended.code, target in ended.because) == (125, True)


def test_upper_layers_replace_and_hide_what_lies_below(bench: Bench):
    script = "import os; print(sorted(os.listdir(os.path.dirname(__file__))), open(__file__[:-7] + 'kept').read())"
    layers = [
        tar_of({"opt/program/main.py": script, "opt/program/gone": "1", "opt/program/kept": "1", "opt/sub/a": "1"}),
        tar_of({"opt/program/.wh.gone": "", "opt/program/kept": "2", "opt/sub/.wh..wh..opq": "", "opt/sub/b": "1"}),
    ]
    config = config_of(Entrypoint=["python3", "/opt/program/main.py"])
    unit = bench.unit(push(bench.images, "test/layers", layers, config))
    bench.executor.start(unit)
    assert bench.end().code == 0
    assert unit.log.read_text() == "['kept', 'main.py'] 2\n"


# --- stopping -------------------------------------------------------------------------------------------------------

POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
print("up", flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
child = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
print(subprocess.Popen(child, start_new_session=True).pid, flush=True)
while True: time.sleep(600)
"""


def test_a_polite_unit_ends_as_it_chooses(bench: Bench):
    unit = bench.begin(POLITE.format(code=3))
    bench.said(unit)
    bench.executor.stop(unit.id, 60.0)
    assert bench.end().code == 3


def test_after_the_grace_everything_of_a_unit_is_killed_in_whatever_session(bench: Bench):
    unit = bench.begin(STUBBORN)
    (child,) = bench.said(unit)
    bench.executor.stop(unit.id, 0.2)
    assert bench.end().code == 137
    assert is_gone(int(child))
    assert "no" in unit.log.read_text()


def test_what_a_unit_leaves_running_ends_with_it(bench: Bench):
    ended, log = bench.run(
        "import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)"
    )
    assert ended.code == 0
    assert is_gone(int(log))


def test_a_second_stop_with_less_grace_counts(plain: Bench):
    unit = plain.begin(STUBBORN)
    plain.said(unit)
    plain.executor.stop(unit.id, 600.0)
    plain.said(unit, 2)
    plain.executor.stop(unit.id, 0.0)
    assert plain.end().code == 137


def test_many_slow_stops_hold_up_no_start(plain: Bench):
    for number in range(6):
        plain.said(plain.begin(STUBBORN, id=f"slow/{number}"))
        plain.executor.stop(f"slow/{number}", 600.0)
    before = time.monotonic()
    ended, _ = plain.run("", id="quick/1")
    assert ended.code == 0
    assert time.monotonic() - before < 5


def test_a_unit_that_is_stopped_while_it_is_prepared_never_runs(plain: Bench, monkeypatch: pytest.MonkeyPatch):
    slow, go = threading.Event(), threading.Event()

    def environment(lock: str, cache: Path) -> Path:
        slow.set()
        assert go.wait(WAIT_S)
        return cache

    monkeypatch.setattr(executor_module, "environment_for", environment)
    unit = plain.unit(push_script(plain.images, "test/slow", ""))
    plain.executor.start(unit)
    assert slow.wait(WAIT_S)
    assert plain.executor.state(unit.id) == Preparing("making environment")
    plain.executor.stop(unit.id, 60.0)
    ended = plain.end()
    assert (ended.code, ended.because) == (143, "it was stopped before it ran")
    go.set()
    until(lambda: not [each for each in threading.enumerate() if each.name == f"unit {unit.id}"])
    assert not (plain.executor._place(unit.id) / "running.json").exists()
    assert not unit.log.exists()


def test_starting_twice_runs_once_and_forgetting_leaves_nothing(bench: Bench):
    unit = bench.begin("print('once', flush=True)")
    bench.executor.start(unit)
    bench.end()
    bench.executor.start(unit)
    assert unit.log.read_text() == "once\n"
    assert bench.executor.units() == [unit.id]
    bench.executor.forget(unit.id)
    assert bench.executor.state(unit.id) is None
    assert list((bench.folder / "units").iterdir()) == []


def test_a_running_unit_is_not_forgotten(plain: Bench):
    unit = plain.begin("import time; time.sleep(600)")
    plain.executor.forget(unit.id)
    assert isinstance(plain.executor.state(unit.id), Running)


def test_ids_that_look_alike_are_apart(plain: Bench):
    plain.run("print(1)", id="a/b")
    plain.run("print(2)", id="a-b")
    assert plain.executor.units() == ["a-b", "a/b"]


def test_no_zombie_is_left(plain: Bench):
    plain.run("print('up', flush=True)")
    kept = supervisor.read(str(plain.executor._place("unit/1")), "running.json")
    for pid in (kept["pid"], kept["supervisor"]):
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists())


# --- deaths ---------------------------------------------------------------------------------------------------------

GATEWAY = """
import pickle, sys, time
from pathlib import Path
from made_images import MemoryStore, push_script
from trimtab.local import executor
from trimtab.local.executor import ProcessExecutor
from trimtab.local.images import ImageStore
from trimtab.local.overlay import Unit
folder, cache, script, hang = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4] == "hang"
images = ImageStore(folder / "registry", MemoryStore())
image = push_script(images, "test/unit", script)
if hang:
    executor.environment_for = lambda lock, cache: (print("hangs", flush=True), time.sleep(600))
units = ProcessExecutor(folder / "units", images, cache)
units.start(Unit("unit/1", image, (), {}, folder / "unit.log"))
while not hang and not (folder / "unit.log").exists(): time.sleep(0.01)
if not hang: print("up", flush=True)  # one thread alone speaks
time.sleep(600)
"""


def killed_gateway(bench: Bench, script: str, how: str = "run") -> None:
    """Another process starts a unit and is killed without a word."""
    path = os.pathsep.join(each for each in sys.path if each)
    command = [sys.executable, "-c", GATEWAY, str(bench.folder), str(bench.executor._cache), script, how]
    gateway = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert gateway.stdout
    assert gateway.stdout.readline().strip() in ("up", "hangs")
    gateway.kill()
    gateway.wait()


def test_a_unit_outlives_its_gateway_and_is_adopted(plain: Bench):
    killed_gateway(
        plain,
        POLITE.format(code=5),
    )
    adopted = plain.again()
    until(lambda: (plain.folder / "unit.log").read_text())
    state = until(lambda: state if isinstance(state := adopted.state("unit/1"), Running) else None)
    assert not is_gone(state.pid)
    adopted.stop("unit/1", 30.0)
    ended = until(lambda: state if isinstance(state := adopted.state("unit/1"), Exited) else None)
    assert (ended.code, ended.because) == (5, "")
    assert (plain.folder / "unit.log").read_text() == "up\n"  # it ran once


def test_an_exit_code_outlives_the_gateway(plain: Bench):
    killed_gateway(plain, "import sys; print('up', flush=True); sys.exit(6)")
    adopted = plain.again()
    assert until(lambda: state if isinstance(state := adopted.state("unit/1"), Exited) else None).code == 6


def test_a_unit_that_was_being_prepared_is_begun_again(plain: Bench, monkeypatch: pytest.MonkeyPatch):
    killed_gateway(plain, "print('ran')", "hang")
    push_script(plain.images, "test/unit", "print('ran')")
    adopted = plain.again()
    assert until(lambda: state if isinstance(state := adopted.state("unit/1"), Exited) else None).code == 0
    assert (plain.folder / "unit.log").read_text() == "ran\n"


def test_a_unit_whose_supervisor_is_killed_ends_whole_and_says_so(plain: Bench):
    unit = plain.begin(STUBBORN)
    (child,) = plain.said(unit)
    state = plain.executor.state(unit.id)
    assert isinstance(state, Running)
    os.kill(supervisor.read(str(plain.executor._place(unit.id)), "running.json")["supervisor"], signal.SIGKILL)
    ended = plain.end()
    assert (ended.code, "supervisor was killed" in ended.because) == (137, True)
    until(lambda: is_gone(state.pid) and is_gone(int(child)))


def test_the_command_dies_with_its_supervisor_when_nobody_looks(plain: Bench):
    unit = plain.begin("import time; print('up', flush=True); time.sleep(600)")
    plain.said(unit)
    kept = supervisor.read(str(plain.executor._place(unit.id)), "running.json")
    os.kill(kept["supervisor"], signal.SIGKILL)
    until(lambda: is_gone(kept["pid"]))


def test_the_units_of_another_cloud_are_left_alone_even_under_the_same_id(plain: Bench):
    other = Bench(plain.folder, plain.images, ProcessExecutor(plain.folder / "other", plain.images, plain.executor._cache))
    script = "import time; print('up', flush=True); time.sleep(600)"
    mine, theirs = plain.begin(script), other.begin(script)
    try:
        plain.said(mine, 2)
        place = plain.executor._place(mine.id)
        os.kill(supervisor.read(str(place), "running.json")["supervisor"], signal.SIGKILL)
        assert plain.end().code == 137
        assert isinstance(other.executor.state(theirs.id), Running)
        os.kill(supervisor.read(str(other.executor._place(theirs.id)), "running.json")["pid"], 0)
    finally:
        other.executor.stop_all(0.0)
    assert other.end().code in (143, 137)


def test_a_second_supervisor_of_one_unit_steps_back(plain: Bench):
    unit = plain.begin("import time; print('up', flush=True); time.sleep(600)")
    plain.said(unit)
    place = plain.executor._place(unit.id)
    done = subprocess.run([sys.executable, "-I", "-S", supervisor.__file__, str(place)], timeout=WAIT_S, check=False)
    assert done.returncode == 0
    assert isinstance(plain.executor.state(unit.id), Running)
    assert unit.log.read_text() == "up\n"


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/usr/bin/python3").exists(), reason="needs root, to be somebody else")
@pytest.mark.skipif(not namespaces_work()[0], reason=namespaces_work()[1])
def test_an_ordinary_user_has_namespaces_too(tmp_path_factory: pytest.TempPathFactory):
    probe = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import supervisor; "
        "supervisor.isolate(sys.argv[2], []); print(os.getuid(), os.listdir('/opt'))"
    )
    folder = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        (Path(folder) / "inside").touch()
        Path(folder).chmod(0o755)
        module = Path(folder) / "code"
        module.mkdir()
        (module / "supervisor.py").write_text(Path(supervisor.__file__).read_text())
        command = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/usr/bin/python3",
            "-B",
            "-I",
            "-c",
            probe,
        ]
        done = subprocess.run([*command, str(module), folder], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("65534 ")
        assert "'inside'" in done.stdout
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
