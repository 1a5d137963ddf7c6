"""Plain HTTP, for what proves a release: a GET or a POST with short time-outs and no repeats."""

from collections.abc import Mapping
from typing import Any

import urllib3

from trimtab.core.kind import Call, Failure, Reply

SERVICE = "http"
_TIMEOUT = urllib3.Timeout(connect=2.0, read=30.0)  # a private address that is out of reach must not hold a pass up
_MOST_BYTES = 1024 * 1024
_KEPT = 64  # connections to one host: as many as threads ask it at a time


class Web:
    """Answers calls to the service "http": operation is the verb; arguments url, headers, body.

    The reply has Status, Headers (names in lower case) and Body, whatever the status. Raises Failure("transient") where
    nobody answers. Safe to use from several threads; one for all deployments keeps connections to few hosts open, however
    many there are.
    """

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(maxsize=_KEPT)

    def make(self, call: Call) -> Reply:
        arguments: Mapping[str, Any] = call.arguments
        try:
            reply = self._pool.request(
                call.operation,
                arguments["url"],
                headers=arguments.get("headers"),
                body=arguments.get("body"),
                timeout=_TIMEOUT,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            body = reply.read(_MOST_BYTES)
            reply.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise Failure("transient", f"{arguments['url']}: {error}", operation=f"http:{call.operation}") from error
        return {"Status": reply.status, "Headers": {k.lower(): v for k, v in reply.headers.items()}, "Body": body}
