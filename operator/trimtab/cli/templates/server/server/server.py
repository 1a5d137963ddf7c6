"""A server of one's own under SageMaker's serving contract, by hand: it needs nothing of trimtab.

GET /ping answers 200 once requests can be answered, POST /invocations answers them, both on port 8080. It is started with
the argument `serve`, logs to stdout, and on SIGTERM finishes what it has begun.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

LIMIT = 10 << 20  # bytes: what API Gateway lets through


class Model:
    """A linear classifier: which of three cultivars a wine is of, by 13 measurements."""

    def __init__(self, file: Path) -> None:
        held = json.loads(file.read_text())
        self.classes: list[str] = held["classes"]
        self.offset, self.scale, self.coefficients, self.intercepts = (
            np.array(held[name]) for name in ("offset", "scale", "coefficients", "intercepts")
        )

    def predict(self, records: Any) -> dict[str, Any]:
        """Probabilities and labels of records. Raises ValueError."""
        values = np.array(records, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.offset):
            raise ValueError(f"records of {len(self.offset)} numbers are wanted: [[...], ...]")
        scores = (values - self.offset) * self.scale @ self.coefficients.T + self.intercepts
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        return {"predictions": shares.tolist(), "labels": [self.classes[each] for each in shares.argmax(axis=1)]}


MODEL = Model(Path(__file__).with_name("model.json"))  # before the port is open: ready once it answers


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """ASGI."""
    if scope["type"] != "http":
        return
    asked = (scope["method"], scope["path"])
    if asked == ("GET", "/ping"):
        await answer(send, 200, {"status": "ok"})
    elif asked == ("POST", "/invocations"):
        await answer(send, *invoke(await body_of(receive)))
    else:
        await answer(send, 404, {"error": f"there is no {asked[0]} {asked[1]}"})


def invoke(body: bytes) -> tuple[int, dict[str, Any]]:
    """Status and answer of a request: `[[...], ...]`, or the same under "instances"."""
    if len(body) > LIMIT:
        return 413, {"error": f"at most {LIMIT} bytes are read"}
    try:
        given = json.loads(body)
        return 200, MODEL.predict(given["instances"] if isinstance(given, dict) else given)
    except (ValueError, TypeError, KeyError) as problem:
        return 400, {"error": f"{type(problem).__name__}: {problem}"}


async def body_of(receive: Any) -> bytes:
    body, more = b"", True
    while more and len(body) <= LIMIT:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def answer(send: Any, status: int, value: Any) -> None:
    body = json.dumps(value, separators=(",", ":")).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    print(f"serving {len(MODEL.classes)} classes", flush=True)
    uvicorn.run(
        application,
        # On the local cloud all servers share one machine, each on an address of its own.
        host=os.environ.get("TRIMTAB_BIND_ADDRESS") or "0.0.0.0",
        port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080),
        lifespan="off",
        access_log=False,
        timeout_keep_alive=75,  # longer than a load balancer keeps a connection, 60 s
        timeout_graceful_shutdown=25,  # ECS kills after 30 s
    )
