"""The trained network as model.onnx, proven to answer as torch does."""

import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from network import Network, Served

TOLERANCE = 1e-4  # the most that a probability may differ from torch's


def export(network: Network, path: Path, images: torch.Tensor) -> np.ndarray:
    """Write the model and hold it against torch, in one batch and image by image; returns its answers (N x 10).

    images: uint8, real ones. Ends the program with a sentence when an answer is off by more than TOLERANCE.
    """
    # The exporter warns that torchvision is not there. It is not needed.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    served = Served(network).eval()
    program = torch.onnx.export(
        served,
        (images,),
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes={"images": {0: torch.export.Dim("records", min=1)}},
        dynamo=True,
        verbose=False,
    )
    path.write_bytes(_plain(program.model_proto).SerializeToString(deterministic=True))
    return _checked(path, images, served)


def _checked(path: Path, images: torch.Tensor, served: Served) -> np.ndarray:
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers = session.run(["probabilities"], {"images": images.numpy()})[0]
    singly = np.concatenate([session.run(["probabilities"], {"images": each[None]})[0] for each in images.numpy()[:8]])
    with torch.no_grad():
        wanted = served(images).numpy()
    worst = max(np.abs(answers - wanted).max(), np.abs(singly - wanted[:8]).max())
    if not worst <= TOLERANCE:  # said this way round, NaN fails too
        raise SystemExit(f"the exported model differs from torch by {worst:.3g}; {TOLERANCE:g} is allowed")
    print(f"exported {path.name}; on {len(images)} images it differs from torch by at most {worst:.1e}", flush=True)
    return answers


def _plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes: they hold stack traces with this machine's paths, and bytes would differ by folder."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    return model
