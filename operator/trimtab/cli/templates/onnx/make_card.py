"""Describe model/model.onnx for the server: card.json (what goes in and comes out), golden.json (requests to answer).

python make_card.py --inputs samples.json --classes cat,dog
--inputs: real records, as JSON ([[...], ...]), CSV or npy; made up where there are none, which proves less.
Needs numpy and onnxruntime: pip install numpy onnxruntime
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).resolve().parent / "model"
TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(bool)": "bool"}
RECORDS = 4  # in the golden request


def records(path: Path | None, dtype: str, shape: list[int | None]) -> np.ndarray:
    """The first real records, or some that are made up: always the same."""
    if path is None:
        print("no --inputs: the golden request is made up; real records prove more")
        random = np.random.default_rng(7)
        size = (RECORDS, *(each or 1 for each in shape[1:]))
        return (random.normal(size=size) if "float" in dtype else random.integers(0, 2, size)).astype(dtype)
    if path.suffix == ".npy":
        values = np.load(path, allow_pickle=False)
    elif path.suffix == ".csv":
        values = np.loadtxt(path, delimiter=",", ndmin=2)
    else:
        values = np.array(json.loads(path.read_text()))
    return values[:RECORDS].astype(dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=Path, help="real records")
    parser.add_argument(
        "--output", help="name of the output that answers; the first of numbers with a fraction when left out"
    )
    parser.add_argument("--classes", type=lambda text: text.split(","), default=[], help="their names, by position")
    given = parser.parse_args()
    # From its bytes, as the server does: a model whose weights lie in a second file cannot be loaded so.
    session = onnxruntime.InferenceSession((FOLDER / "model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise SystemExit(f"the model has inputs {names}: one is served; merge them, or write predict_fn in inference.py")
    dtype = TYPES.get(inputs[0].type) or inputs[0].type.removeprefix("tensor(").rstrip(")")
    shape = [None, *(each if isinstance(each, int) else None for each in inputs[0].shape[1:])]
    output = given.output or next((each.name for each in outputs if each.type in TYPES), outputs[0].name)
    samples = records(given.inputs, dtype, shape)
    answers = session.run([output], {inputs[0].name: samples})[0]
    card = {
        "format": "trimtab.card/v1",
        "name": "@NAME@",
        "input": {"name": inputs[0].name, "dtype": dtype, "shape": shape},
        "output": {"name": output, "dtype": str(answers.dtype), "shape": [None, *answers.shape[1:]]},
        "classes": given.classes,
    }
    golden = {"inputs": samples.tolist(), "outputs": answers.tolist(), "tolerance": 1e-4}
    (FOLDER / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (FOLDER / "golden.json").write_text(json.dumps(golden, indent=2) + "\n")
    print(f"{inputs[0].name}: {dtype} {shape} -> {output}: {answers.dtype} {[None, *answers.shape[1:]]}")


if __name__ == "__main__":
    main()
