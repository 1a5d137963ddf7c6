"""A headless Chromium for tests, driven through Debian's chromedriver: pages at the size of a desk or a phone, drawn on.

Points are [x, y] in shares of an element's width and height.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

IS_HERE = bool(shutil.which("chromium") and shutil.which("chromedriver"))
WAIT_S = 60
_FLAGS = (
    "--headless",
    "--no-sandbox",  # tests may run as root, where Chromium has none
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Stroke = Sequence[Sequence[float]]


class Browser:
    """One tab."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def look(self, width: int, height: int, *, dark: bool = False, touch: bool = False) -> None:
        """Be a screen of that size in CSS pixels, a phone's where it is touched."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 2 if touch else 1, "mobile": touch}
        self._do("Emulation.setDeviceMetricsOverride", screen)
        self._do("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._do("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url: str) -> None:
        self.complaints()  # of the page before
        self.driver.get(url)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def texts(self, selector: str) -> list[str]:
        return [each.text for each in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def style(self, selector: str, name: str) -> str:
        return self.find(selector).value_of_css_property(name)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a function's body."""
        return self.driver.execute_script(script, *arguments)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until that holds; the page's text is told where it never does."""
        try:
            WebDriverWait(self.driver, WAIT_S, 0.05).until(lambda _: holds())
        except TimeoutException:
            raise AssertionError(f"not so: {what}; the page says: {self.text('body')}") from None

    def wait_for(self, selector: str, words: str) -> str:
        """Wait until an element's text holds the words; returns the text."""
        self.until(lambda: words in self.text(selector), f"{selector} says {words!r}")
        return self.text(selector)

    def settle(self) -> None:
        """Wait until nothing is busy."""
        self.until(lambda: not self.texts("[aria-busy=true]"), "nothing is busy")

    def fill(self, selector: str, words: str) -> None:
        """Type in place of what is there, and leave the field."""
        self.find(selector).send_keys(Keys.CONTROL, "a")
        self.find(selector).send_keys(words, Keys.TAB)

    def draw_by_mouse(self, selector: str, strokes: Sequence[Stroke], meanwhile: Callable[[], Any] = lambda: None) -> None:
        """meanwhile: done in each stroke, before the last of its moves."""
        for first, *rest in (self._places(selector, stroke) for stroke in strokes):
            self._mouse("mousePressed", first)
            for point in rest[:-1]:
                self._mouse("mouseMoved", point)
            meanwhile()
            for point in rest[-1:]:
                self._mouse("mouseMoved", point)
            self._mouse("mouseReleased", rest[-1] if rest else first)

    def draw_by_finger(self, selector: str, strokes: Sequence[Stroke]) -> None:
        for first, *rest in (self._places(selector, stroke) for stroke in strokes):
            self._touch("touchStart", first)
            for point in rest:
                self._touch("touchMove", point)
            self._touch("touchEnd")

    def press_on(self, selector: str, key: str) -> None:
        self.find(selector).send_keys(key)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, where the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def press_together(self, *keys: str) -> None:
        """Press keys one after the other, and let go of them at the end."""
        chain = ActionChains(self.driver)
        for key in keys:
            chain.key_down(key)
        for key in keys:
            chain.key_up(key)
        chain.perform()

    def picture(self, file: Path) -> None:
        """Write what is seen as a PNG."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(file)

    def complaints(self) -> list[str]:
        """What the console was told of as an error since it was asked last."""
        return [each["message"] for each in self.driver.get_log("browser") if each["level"] == "SEVERE"]

    def _places(self, selector: str, stroke: Stroke) -> list[tuple[float, float]]:
        box: Mapping[str, float] = self.run(
            "arguments[0].scrollIntoView({block: 'nearest'}); return arguments[0].getBoundingClientRect().toJSON()",
            self.find(selector),
        )
        return [(box["left"] + x * box["width"], box["top"] + y * box["height"]) for x, y in stroke]

    def _mouse(self, type_: str, point: tuple[float, float]) -> None:
        pressed = {"button": "left", "buttons": 0 if type_ == "mouseReleased" else 1, "clickCount": 1}
        self._do("Input.dispatchMouseEvent", {"type": type_, "x": point[0], "y": point[1], **pressed})

    def _touch(self, type_: str, *points: tuple[float, float]) -> None:
        self._do("Input.dispatchTouchEvent", {"type": type_, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    def _do(self, command: str, arguments: Mapping[str, Any]) -> None:
        self.driver.execute_cdp_cmd(command, dict(arguments))


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """profile: a folder of its own, new."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
