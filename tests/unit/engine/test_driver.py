"""One driver makes all calls: replies in order, failures where the kind can catch them, hooks round each."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from trimtab.core.errors import UserError
from trimtab.core.kind import Batch, Broken, Call, Failure, Progress, Transfer
from trimtab.engine.driver import Driver, beside
from trimtab.engine.transfers import Transfers

READ = Call("ecs", "ListClusters", {})


class Caller:
    def __init__(self) -> None:
        self.made: list[Call] = []

    def make(self, call: Call) -> dict[str, object]:
        self.made.append(call)
        if call.arguments.get("fail"):
            raise Failure("absent", "gone")
        return {"n": call.arguments.get("n")}


class Submitted(list[tuple[str, Transfer]]):
    def submit(self, node: str, transfer: Transfer) -> None:
        self.append((node, transfer))


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_a_batch_is_answered_in_order_with_its_failures(caller, threads):
    def steps():
        calls = tuple(Call("ecs", "X", {"n": number, "fail": number == 2}) for number in range(5))
        return (yield Batch(calls))

    replies = Driver(caller, Submitted(), threads).run(steps())
    assert [reply.meaning if isinstance(reply, Failure) else reply["n"] for reply in replies] == [0, 1, "absent", 3, 4]


def test_a_failure_is_thrown_where_the_call_was_made(caller, threads):
    def steps():
        try:
            yield Call("ecs", "X", {"fail": True})
        except Failure as failure:
            return failure.meaning

    assert Driver(caller, Submitted(), threads).run(steps()) == "absent"


def test_a_transfer_is_handed_over_and_the_kind_goes_on(caller, threads):
    submitted = Submitted()

    def steps():
        yield Transfer("upload", {})
        return (yield READ)["n"]

    Driver(caller, submitted, threads).run(steps(), "s3.Content/x")
    assert submitted == [("s3.Content/x", Transfer("upload", {}))]
    assert caller.made == [READ]


def test_a_crash_before_a_call_makes_nothing(caller, threads):
    def blow(call: Call) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Driver(caller, Submitted(), threads, before=blow).make(READ)
    assert caller.made == []


def test_writes_of_a_batch_are_made_one_by_one(caller, threads):
    order: list[str] = []
    driver = Driver(
        caller, Submitted(), threads, before=lambda call: order.append("b"), after=lambda call: order.append("a")
    )

    def steps():
        yield Batch(tuple(Call("s3", "PutObject", {"n": number}, repeat="safe") for number in range(3)))

    driver.run(steps())
    assert order == ["b", "a"] * 3


# --- transfers ------------------------------------------------------------------------------------------------------


def test_what_passes_is_tried_again_and_what_does_not_is_kept():
    tries: list[int] = []

    def flaky(arguments, report):
        tries.append(1)
        report(Progress(1, 2, "bytes"))
        if len(tries) == 1:
            raise Failure("transient", "reset")

    def wrong(arguments, report):
        raise UserError("changed", code="TT2005", reason="DatasetChanged")

    pool = Transfers({"flaky": flaky, "wrong": wrong})
    pool.submit("a", Transfer("flaky", {}))
    assert pool.changed.wait(5)
    pool.changed.clear()
    pool.submit("b", Transfer("wrong", {}))
    assert pool.changed.wait(5)
    pool.stop()
    assert len(tries) == 2
    assert pool.view() == {"b": Broken("DatasetChanged", "changed [TT2005 DatasetChanged]")}


def test_where_nothing_is_under_way_no_thread_is_held_and_more_can_be_done():
    pool = Transfers({"good": lambda arguments, report: None})
    before = set(threading.enumerate())
    for node in ("a", "b"):
        pool.changed.clear()
        pool.submit(node, Transfer("good", {}))
        assert pool.changed.wait(5)
        for thread in set(threading.enumerate()) - before:
            thread.join(5)
            assert not thread.is_alive()
    pool.stop()
    pool.submit("c", Transfer("good", {}))  # what stops begins nothing
    assert not pool.is_busy


def test_a_fault_of_a_worker_is_seen_and_ends_no_pool():
    pool = Transfers({"bug": lambda arguments, report: 1 / 0, "good": lambda arguments, report: None})
    for node, work in (("a", "bug"), ("b", "good")):
        pool.changed.clear()
        pool.submit(node, Transfer(work, {}))
        assert pool.changed.wait(5)
    pool.stop()
    (ended,) = pool.view().values()
    assert isinstance(ended, Broken)
    assert ended.reason == "InternalError"


def test_several_are_read_beside_one_another_by_a_pool_that_is_smaller(caller):
    def one(number):
        first = yield Call("ecs", "X", {"n": number})
        rest = yield Batch((Call("ecs", "X", {"n": 10}), Call("ecs", "X", {"n": 11, "fail": True})))
        return first["n"], rest[0]["n"], rest[1].meaning

    def refused():
        yield Call("ecs", "X", {"fail": True})

    def silent():
        yield from ()
        return "nothing asked"

    with ThreadPoolExecutor(1) as pool:
        answers = Driver(caller, Submitted(), pool).run(beside([one(1), refused(), silent(), one(2)]))
    assert answers == [(1, 10, "absent"), Failure("absent", "gone"), "nothing asked", (2, 10, "absent")]
    assert len(caller.made) == 7
