"""What the reads of one pass wait for, those of another do not."""

import threading

import pytest

from trimtab.core.kind import Batch, Call, Failure, Reply, Steps
from trimtab.engine.driver import Driver
from trimtab.engine.threads import OwnThreads

MANY = 8


class Service:
    """Answers nothing of what hangs until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.hang = threading.Semaphore(0)

    def make(self, call: Call) -> Reply:
        if call.service == "hung":
            self.hang.release()
            self.let_go.wait()
        return {"by": call.service}


def read(service: str, count: int) -> Steps[list[Reply | Failure]]:
    return (yield Batch(tuple(Call(service, "List", {"at": at}) for at in range(count))))


@pytest.fixture
def service() -> Service:
    return Service()


def test_reads_that_hang_take_no_thread_from_another_pass(service):
    answers: list[list[Reply | Failure]] = []
    with OwnThreads(2, "reads") as threads:
        driver = Driver(service, None, threads)  # type: ignore[arg-type]
        hung = threading.Thread(target=driver.run, args=(read("hung", MANY),))
        other = threading.Thread(target=lambda: answers.append(driver.run(read("ecs", MANY))))
        hung.start()
        try:
            for _ in range(2):
                assert service.hang.acquire(timeout=10)
            other.start()
            other.join(10)
            assert answers == [[{"by": "ecs"}] * MANY]
        finally:
            service.let_go.set()
            hung.join()


def test_a_thread_keeps_those_that_it_was_given(service):
    with OwnThreads(2, "reads") as threads:
        seen = [threads.submit(threading.get_ident).result() for _ in range(20)]
    assert len(set(seen)) <= 2
