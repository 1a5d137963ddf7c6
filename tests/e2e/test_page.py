"""A person draws digits in a browser, and a real model reads them through API Gateway.

Pictures of what was seen are left in build/page, to be looked at.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from browser import IS_HERE, Browser, running_browser
from clouds import RunningCloud, running_cloud
from traced import strokes_of
from trimtab.cli.page_server import PageServer
from trimtab.local.commands import free_ports

TOP = Path(__file__).resolve().parents[2]
EXAMPLE = TOP / "examples" / "digits"
TRIMTAB = str(Path(sys.executable).parent / "trimtab")
PICTURES = TOP / "build" / "page"
DESK, PHONE = (1100, 780), (390, 844)
THREE = [
    [[0.3, 0.25], [0.45, 0.18], [0.62, 0.24], [0.64, 0.36], [0.5, 0.46], [0.64, 0.56], [0.66, 0.7], [0.5, 0.82], [0.3, 0.76]]
]
SEVEN = [[[0.25, 0.25], [0.4, 0.24], [0.55, 0.24], [0.72, 0.25], [0.62, 0.42], [0.52, 0.6], [0.45, 0.8]]]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("e2e"),
    pytest.mark.skipif(not IS_HERE, reason="chromium and chromedriver are not here"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


# --- over the real thing ---


@dataclass
class Digits:
    """The example as it is served, and the port that its document lets a page come from."""

    cloud: RunningCloud
    folder: Path
    port: int

    def trimtab(self, *words: str) -> str:
        done = subprocess.run(
            [TRIMTAB, *words], env=self.cloud.variables, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digits]:
    """The document as it is, but for three epochs, which the test reads well enough, and a port that is free."""
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run([sys.executable, str(EXAMPLE / "get_data.py"), str(folder / "data")], check=True, capture_output=True)
    shutil.copytree(EXAMPLE / "model", folder / "model", ignore=shutil.ignore_patterns("__pycache__"))
    (port,) = free_ports(1)
    text = (EXAMPLE / "deployment.yaml").read_text()
    for before, after in (("epochs: 8", "epochs: 3"), ("atLeast: 0.96", "atLeast: 0.9"), (":8100", f":{port}")):
        assert before in text
        text = text.replace(before, after)
    (folder / "deployment.yaml").write_text(text)
    with running_cloud(folder / "state") as cloud:
        made = Digits(cloud, folder, port)
        made.trimtab("apply", str(folder / "deployment.yaml"))
        yield made


@contextmanager
def page_of(digits: Digits, port: int) -> Iterator[tuple[str, list[str]]]:
    """The command of the documentation, on that port: the address, and what it said, which is known when it has ended."""
    (line,) = re.findall(r"^trimtab page .*$", (TOP / "docs" / "tasks" / "page.md").read_text(), re.MULTILINE)
    words = [TRIMTAB, *shlex.split(line, comments=True)[1:], "--port", str(port)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, cwd=TOP, env=digits.cloud.variables, **pipes)
    said: list[str] = []
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        yield address, said
        process.send_signal(2)
        said += process.communicate(timeout=30)[1].splitlines()
        assert process.returncode == 130, said
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def address(digits: Digits) -> Iterator[str]:
    with page_of(digits, digits.port) as (printed, said):
        yield printed
    assert [line for line in said if "warning" in line] == []


def opened(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.wait_for("#deployment", "vision/digits")


def bar_share(browser: Browser) -> float:
    """How much of its track the longest bar fills, as it is painted."""
    bar = browser.find("#bars .top .bar").rect["width"]
    return bar / float(browser.style("#bars .top", "grid-template-columns").split()[1].removesuffix("px"))


def test_a_digit_drawn_by_mouse_is_read_on_a_desk_by_day_and_by_night(browser, digits, address):
    (key,) = digits.trimtab("key", "vision/digits").split()
    browser.look(*DESK)
    opened(browser, address)
    browser.draw_by_mouse("#pad", SEVEN)
    browser.wait_for("#said", "It reads 7")
    assert re.fullmatch(r"\d+ ms in this browser", browser.text("#latency"))
    assert re.fullmatch(r"revision 1, release [0-9a-f]{12}", browser.text("#revision"))
    assert browser.texts("#bars .digit") == list("0123456789")
    shares = [float(text.removesuffix(" %")) for text in browser.texts("#bars .share")]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert browser.texts("#bars .top .digit") == ["7"]
    browser.until(lambda: bar_share(browser) == pytest.approx(shares[7] / 100, abs=0.02), "the bar is as long as its share")
    assert key not in browser.run("return document.documentElement.outerHTML + location + document.cookie")
    assert browser.run("return localStorage.length + sessionStorage.length") == 0
    day = browser.style("body", "background-color"), browser.style("#pad", "color")
    browser.picture(PICTURES / "desk-light.png")
    browser.look(*DESK, dark=True)
    night = browser.style("body", "background-color"), browser.style("#pad", "color")
    browser.picture(PICTURES / "desk-dark.png")
    assert day != night
    browser.press_on("#clear", Keys.ENTER)
    browser.wait_for("#said", "Draw a digit")
    assert browser.complaints() == []


def test_a_digit_drawn_by_finger_is_read_on_a_phone(browser, address):
    browser.look(*PHONE, touch=True)
    opened(browser, address)
    browser.draw_by_finger("#pad", THREE)
    browser.wait_for("#said", "It reads 3")
    browser.picture(PICTURES / "phone-light.png")
    assert browser.run("return scrollY") == 0  # the finger drew
    assert browser.run("return document.documentElement.scrollWidth") == PHONE[0]
    bottom = browser.run("return document.getElementById('bars').getBoundingClientRect().bottom")
    assert bottom <= PHONE[1]  # all bars are in sight beside the drawing
    browser.look(*PHONE, touch=True, dark=True)
    browser.picture(PICTURES / "phone-dark.png")
    assert browser.complaints() == []


def test_a_digit_drawn_by_keyboard_alone_is_read(browser, address):
    browser.look(*DESK)
    opened(browser, address)
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.id") == "pad"
    browser.press(*[Keys.ARROW_UP] * 6, Keys.SPACE)
    browser.wait_for("#pen", "pen down, 50 % from the left, 26 % from the top")
    browser.press(*[Keys.ARROW_DOWN] * 12)
    browser.picture(PICTURES / "desk-keyboard.png")
    browser.press(Keys.SPACE)
    browser.wait_for("#pen", "pen lifted")
    browser.wait_for("#said", "It reads 1")
    browser.press(Keys.DELETE)
    browser.wait_for("#said", "Draw a digit")
    assert browser.text("#revision") == "–"
    browser.press_together(Keys.ARROW_UP, Keys.ARROW_RIGHT)  # one up, then both
    browser.press(Keys.SPACE)
    browser.wait_for("#pen", "pen down, 54 % from the left, 66 % from the top")


def test_what_people_wrote_is_read_when_it_is_drawn_again(browser, digits, address):
    """One held-out image of each digit, traced; of all thousand traced, the model of the example reads 95 in a hundred."""
    images = np.load(digits.folder / "data" / "test" / "images.npy", allow_pickle=False)
    labels = np.load(digits.folder / "data" / "test" / "labels.npy", allow_pickle=False)
    read: list[str] = []
    browser.look(*DESK)
    opened(browser, address)
    for digit in range(10):
        browser.press_on("#clear", Keys.ENTER)
        browser.wait_for("#said", "Draw a digit")
        browser.draw_by_mouse("#pad", strokes_of(images[labels == digit][0]))
        browser.settle()
        read.append(browser.text("#bars .top .digit"))
    assert sum(found == str(digit) for digit, found in enumerate(read)) >= 8, read


def test_a_wrong_key_is_said_with_what_to_do(browser, address):
    browser.look(*PHONE, touch=True, dark=True)
    opened(browser, address)
    browser.draw_by_finger("#pad", SEVEN)
    browser.wait_for("#said", "It reads 7")
    browser.press_on("#connection summary", Keys.ENTER)
    browser.fill("#key", "wrong")
    assert "trimtab key" in browser.wait_for("#wrong", "403: this key is not accepted")
    assert browser.texts("#bars .share") == ["–"] * 10
    browser.picture(PICTURES / "phone-wrong-key.png")


def test_a_page_of_an_origin_that_the_document_does_not_list_is_warned_of_and_says_so(browser, digits):
    (port,) = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    with page_of(digits, port) as (address, said):
        browser.look(*DESK)
        opened(browser, address)
        browser.draw_by_mouse("#pad", SEVEN)
        browser.wait_for("#wrong", f"add {origin} to spec.serving.gateway.cors.allowOrigins")
        browser.picture(PICTURES / "desk-no-cors.png")
    assert f"warning: the endpoint does not let {origin} read its answers" in said
    assert f"  fix: add {origin} to spec.serving.gateway.cors.allowOrigins, and apply it" in said


# --- over canned answers ---


@dataclass
class Canned:
    """An endpoint that answers as it is told."""

    status: int = 200
    body: Any = None
    release: str = "aaaaaaaaaaaa"
    asked: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list[Any])
    url: str = ""


@pytest.fixture
def canned() -> Iterator[Canned]:
    answers = Canned()

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self.answer(200, b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.answer(answers.status, json.dumps(answers.body).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Length", str(len(body))),
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Allow-Headers", "accept, content-type, x-api-key"),
                ("Access-Control-Expose-Headers", "x-trimtab-release"),
                ("x-trimtab-release", answers.release),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        answers.url = f"http://127.0.0.1:{server.server_port}/live"
        with running(server):
            yield answers


@contextmanager
def running(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


SURE = {"predictions": [[0.01] * 7 + [0.91] + [0.01] * 2], "labels": ["7"]}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, {"message": "Missing Authentication Token"}, "403: there is no /invocations at this URL"),
        (429, {"message": "Too Many Requests"}, "429: too many requests"),
        (504, {"message": "Endpoint request timed out"}, "The endpoint answered 504: Endpoint request timed out"),
        (400, {"error": {"reason": "BadShape", "message": "two numbers"}}, "The endpoint answered 400: two numbers"),
        (200, {"predictions": [[0.2, 0.8]], "labels": ["b"]}, "this endpoint serves another model than digits"),
    ],
)
def test_each_refusal_is_said_in_words(browser, canned, status, body, said):
    canned.status, canned.body = status, body
    connection = {"deployment": "a/b", "url": canned.url, "key": "k", "revisions": {}}
    with PageServer(EXAMPLE / "page", 0, canned.url, lambda: connection) as server, running(server):
        browser.look(*DESK)
        browser.open(server.url)
        browser.wait_for("#deployment", "a/b")
        browser.draw_by_mouse("#pad", SEVEN)
        browser.wait_for("#wrong", said)
        assert browser.text("#said") == "No answer."


def test_a_release_that_is_new_is_looked_up_and_one_that_nobody_knows_is_named(browser, canned):
    canned.body = SURE
    connection = {"deployment": "a/b", "url": canned.url, "key": "", "revisions": {"aaaaaaaaaaaa": 3}}
    with PageServer(EXAMPLE / "page", 0, canned.url, lambda: connection) as server, running(server):
        browser.look(*DESK)
        browser.open(server.url)
        browser.wait_for("#deployment", "a/b")
        browser.draw_by_mouse("#pad", SEVEN)
        browser.wait_for("#revision", "revision 3, release aaaaaaaaaaaa")
        canned.release, connection["revisions"] = "bbbbbbbbbbbb", {"aaaaaaaaaaaa": 3, "bbbbbbbbbbbb": 4}
        browser.draw_by_mouse("#pad", SEVEN)
        browser.wait_for("#revision", "revision 4, release bbbbbbbbbbbb")
        canned.release = "cccccccccccc"
        browser.draw_by_mouse("#pad", SEVEN)
        browser.wait_for("#revision", "release cccccccccccc")
        assert browser.text("#revision") == "release cccccccccccc"
    path, headers, body = canned.asked[0]
    assert (path, len(body), headers["content-type"]) == ("/live/invocations", 784, "application/octet-stream")
    assert "x-api-key" not in headers


def test_what_is_cleared_in_the_middle_of_a_stroke_is_gone(browser, canned):
    canned.body = SURE
    connection = {"deployment": "a/b", "url": canned.url, "key": "k", "revisions": {}}
    with PageServer(EXAMPLE / "page", 0, canned.url, lambda: connection) as server, running(server):
        browser.look(*DESK)
        browser.open(server.url)
        browser.wait_for("#deployment", "a/b")
        browser.draw_by_mouse("#pad", SEVEN, meanwhile=lambda: browser.run("document.getElementById('clear').click()"))
        browser.settle()
        assert browser.text("#said") == "Draw a digit."
        assert browser.complaints() == []
    assert canned.asked == []


def test_where_nobody_fills_them_in_url_and_key_are_pasted(browser, canned):
    """Any server of static files will do."""
    canned.body = SURE
    files = partial(SimpleHTTPRequestHandler, directory=str(EXAMPLE / "page"))
    with ThreadingHTTPServer(("127.0.0.1", 0), files) as server, running(server):
        browser.look(*DESK)
        browser.open(f"http://127.0.0.1:{server.server_port}/")
        browser.wait_for("#connection", "API key")  # it stands open
        browser.draw_by_mouse("#pad", SEVEN)
        browser.wait_for("#said", "Paste the URL")
        browser.picture(PICTURES / "desk-paste.png")
        browser.fill("#url", f"{canned.url}/invocations/")
        browser.fill("#key", " pasted ")
        browser.settle()
        assert browser.text("#revision") == "release aaaaaaaaaaaa"
        assert browser.text("#said") == "It reads 7, with 91.0 %."
    path, headers, _ = canned.asked[-1]
    assert (path, headers["x-api-key"]) == ("/live/invocations", "pasted")
