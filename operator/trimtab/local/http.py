"""The data plane's HTTP: one asyncio loop in a thread, listeners that come and go, and a streaming forwarder.

Interface (all methods but `forward` may be called from any thread):

    class HttpPlane:
        def start(self) -> None
        def stop(self) -> None                                    # closes listeners, waits for the thread
        def listen(self, host: str, port: int, app: App) -> None  # idempotent; replaces the app; OSError if the port is taken
        def close(self, host: str, port: int) -> None             # in-flight requests finish (bounded)
        def submit(self, coroutine) -> concurrent.futures.Future  # run on the loop: health checks, drains
        @property session: aiohttp.ClientSession                  # pooled, for use on the loop only

    App = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]
    async def forward(plane, request, host, port, *, path=None, headers=None, timeout_s=60.0) -> StreamResponse
"""
