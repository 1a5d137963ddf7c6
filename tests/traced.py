"""People's digits as strokes: the images of MNIST, thinned to lines of one pixel and followed from end to end.

Source: Zhang and Suen, A Fast Parallel Algorithm for Thinning Digital Patterns (1984).
"""

from typing import Any

import numpy as np

SIDE = 28
_ROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # neighbours, clockwise from above
_NEAREST_FIRST = sorted(_ROUND, key=lambda step: abs(step[0]) + abs(step[1]))
Point = tuple[int, int]  # row, column


def strokes_of(image: Any) -> list[list[list[float]]]:
    """Lists of points [x, y], y down, in shares of the side. image: uint8, 28 x 28, white on black."""
    paths = _paths({(int(row), int(column)) for row, column in np.argwhere(thinned(image > 100))})
    return [[[(column + 0.5) / SIDE, (row + 0.5) / SIDE] for row, column in path] for path in paths]


def thinned(ink: Any) -> Any:
    """Take pixels from the edges as long as what is connected stays so. ink: booleans."""
    image = ink.astype(int)
    before = image.sum() + 1
    while image.sum() < before:
        before = image.sum()
        for last in (0, 1):
            around = [np.pad(image, 1)[1 + dy : SIDE + 1 + dy, 1 + dx : SIDE + 1 + dx] for dy, dx in _ROUND]
            above, _, right, _, below, _, left, _ = around
            count = sum(around)
            turns = sum((here == 0) & (after == 1) for here, after in zip(around, around[1:] + around[:1], strict=True))
            first, second = (
                (above * right * left, above * below * left) if last else (above * right * below, right * below * left)
            )
            image[(image == 1) & (count >= 2) & (count <= 6) & (turns == 1) & (first == 0) & (second == 0)] = 0
    return image


def _paths(points: set[Point]) -> list[list[Point]]:
    """Follow the lines: from an end where there is one, on to what is new, and up to the line that was met."""
    left, paths = set(points), list[list[Point]]()
    while left:
        path = [min(left, key=lambda point: (len(_beside(point, left)), point))]
        left.remove(path[0])
        while ahead := _beside(path[-1], left):
            path.append(ahead[0])
            left.remove(ahead[0])
        own = set(path)
        path = [*_beside(path[0], points - own)[:1], *path, *_beside(path[-1], points - set(path[-3:]))[:1]]
        paths.append(path)
    return paths


def _beside(point: Point, among: set[Point]) -> list[Point]:
    return [near for dy, dx in _NEAREST_FIRST if (near := (point[0] + dy, point[1] + dx)) in among]
