"""Write a small dataset: two measurements a record, three classes. Replace it by your own data."""

import random
from pathlib import Path

CENTRES = ((0.0, 0.0), (3.0, 3.0), (0.0, 4.0))


def main() -> None:
    source = random.Random(7)
    for part, count in (("train", 600), ("test", 150)):
        folder = Path(__file__).parent / "data" / part
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for number in range(count):
            label = number % len(CENTRES)
            x, y = (source.gauss(centre, 0.7) for centre in CENTRES[label])
            rows.append(f"{x:.4f},{y:.4f},{label}")
        (folder / "records.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
