"""The least that serves this model over HTTP: an ASGI function on uvicorn, ONNX Runtime, the json of the standard library.

No checks, no metrics, no draining. `/hello` runs nothing at all: what HTTP itself costs.
"""

import json
import sys
from typing import Any

import numpy as np
import onnxruntime
import uvicorn

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = 1
SESSION = onnxruntime.InferenceSession(sys.argv[1], OPTIONS, providers=["CPUExecutionProvider"])


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = _answer(dict(scope["headers"]), body) if scope["path"] == "/invocations" else b'{"hello":"world"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _answer(headers: dict[bytes, bytes], body: bytes) -> bytes:
    if headers.get(b"content-type") == b"application/octet-stream":
        images = np.frombuffer(body, np.uint8).reshape(-1, 28, 28)
    else:
        images = np.asarray(json.loads(body)["instances"], dtype=np.uint8).reshape(-1, 28, 28)
    answers = SESSION.run(["probabilities"], {"images": images})[0]
    return json.dumps({"predictions": answers.tolist()}).encode()


if __name__ == "__main__":
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        http="httptools",
        lifespan="off",
        log_level="error",
        access_log=False,
    )
