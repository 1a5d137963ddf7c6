"""The messages of queues: order, visibility, waiting, bounds, and what a new start finds. Time is the test's own.

The pages: Amazon SQS Developer Guide, "Amazon SQS visibility timeout", "short and long polling", "dead-letter queues".
"""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.local import queues as module
from trimtab.local.queues import Message, Queue, QueueFull, Queues
from trimtab.local.sqs_attributes import kept
from trimtab.local.store import SqliteStore

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NONE = timedelta(0)


class World:
    """Queues over a store, with a clock that a test moves."""

    def __init__(self, folder):
        self.path, self.now = folder / "state.sqlite", START
        self.open()
        for name in ("work", "dead"):
            self.queues.add(Queue(name, kept({}), START, START))

    def open(self) -> None:
        self.store = SqliteStore(self.path)
        self.queues = Queues(self.store)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def configure(self, **attributes: str) -> None:
        queue = self.queues.shelf.get("work")
        queue.attributes = kept(attributes, queue.attributes)
        self.queues.shelf.put(queue)

    def send(self, body: str, **given) -> Message:
        return self.queues.send("work", body, self.now, "me", **given)

    def take(self, most: int = 10, hidden_s: float = 30, wait_s: float = 0, name: str = "work") -> list[Message]:
        return self.queues.receive(name, most, timedelta(seconds=wait_s), timedelta(seconds=hidden_s), lambda: self.now)

    def bodies(self, **given) -> list[str]:
        return [each.body for each in self.take(**given)]

    def counts(self) -> tuple[int, int, int]:
        return self.queues.counts("work", self.now)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.store.close()


def test_messages_come_in_the_order_in_which_they_were_sent(world):
    for body in "abc":
        world.send(body)
    assert world.bodies(most=2) == ["a", "b"]
    assert world.bodies() == ["c"]


def test_a_message_in_flight_is_hidden_until_its_timeout_and_then_comes_in_its_old_place(world):
    for body in "ab":
        world.send(body)
    assert world.bodies(most=1, hidden_s=30) == ["a"]
    world.later(29)
    assert world.counts() == (1, 1, 0)
    world.later(1)
    (first, second) = world.take()
    assert [first.body, second.body] == ["a", "b"]
    assert (first.receives, first.first_received) == (2, START)


def test_a_message_is_deleted_by_its_last_receive_only(world):
    world.send("a")
    (first,) = [each.handle for each in world.take(hidden_s=0)]
    (second,) = [each.handle for each in world.take(hidden_s=0)]
    world.queues.delete("work", first)
    assert world.counts() == (1, 0, 0)
    world.queues.delete("work", second)
    assert world.counts() == (0, 0, 0)
    assert world.bodies() == []
    world.queues.delete("work", second)  # a repeat changes nothing


@pytest.mark.parametrize("handle", ["nonsense", "bm9uc2Vuc2U="])
def test_what_is_no_handle_is_told_apart(world, handle):
    with pytest.raises(ValueError):
        world.queues.delete("work", handle)


def test_visibility_changes_for_what_is_in_flight(world):
    world.send("a")
    (handle,) = [each.handle for each in world.take(hidden_s=30)]
    assert world.queues.hide("work", handle, timedelta(seconds=100), world.now)
    world.later(99)
    assert world.bodies() == []
    assert world.queues.hide("work", handle, NONE, world.now)
    assert world.bodies(hidden_s=1) == ["a"]
    assert not world.queues.hide("work", handle, NONE, world.now)  # an older receive


def test_a_delayed_message_is_counted_apart(world):
    world.send("a", delay=timedelta(seconds=10))
    assert world.counts() == (0, 0, 1)
    assert world.bodies() == []
    world.later(10)
    assert world.bodies() == ["a"]


def test_a_message_that_is_never_deleted_goes_to_the_dead_letter_queue(world):
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": "2"}
    world.configure(RedrivePolicy=json.dumps(policy))
    world.send("a")
    assert [world.bodies(hidden_s=0) for _ in range(3)] == [["a"], ["a"], []]
    assert world.counts() == (0, 0, 0)
    assert world.bodies(name="dead") == ["a"]


def test_what_is_older_than_its_queue_keeps_is_forgotten(world):
    world.configure(MessageRetentionPeriod="60")
    world.send("a")
    world.later(60)
    assert world.bodies() == []
    world.send("b")
    world.later(60)
    world.queues.tick(world.now)
    assert world.counts() == (0, 0, 0)


def test_a_queue_takes_no_more_than_its_bound(world, monkeypatch):
    monkeypatch.setattr(module, "MOST_MESSAGES", 2)
    for body in "ab":
        world.send(body)
    with pytest.raises(QueueFull):
        world.send("c")
    world.queues.delete("work", world.take(most=1)[0].handle)
    world.send("c")


def test_a_purged_queue_is_empty_and_another_is_not(world):
    world.send("a")
    world.queues.send("dead", "b", world.now, "me")
    world.queues.purge("work")
    assert world.counts() == (0, 0, 0)
    assert world.bodies(name="dead") == ["b"]


def test_a_new_start_finds_every_message_as_it_was(world):
    for body in "abc":
        world.send(body)
    (taken,) = world.take(most=1, hidden_s=30)
    world.reopen()
    assert world.counts() == (2, 1, 0)
    assert world.bodies() == ["b", "c"]
    world.later(30)
    assert world.bodies(most=1) == ["a"]
    world.queues.delete("work", taken.handle)  # of the receive before
    assert world.counts()[0] + world.counts()[1] == 3


def test_a_message_after_a_new_start_has_a_number_of_its_own(world):
    world.send("a")
    world.reopen()
    world.send("b")
    assert world.bodies() == ["a", "b"]


# --- waiting ---


class Poll(threading.Thread):
    """A long poll; `found` once it has ended."""

    def __init__(self, world: World, wait_s: float = 20) -> None:
        super().__init__(daemon=True)
        self.world, self.wait_s, self.found = world, wait_s, None
        self.start()

    def run(self) -> None:
        self.found = self.world.bodies(wait_s=self.wait_s)

    def ended(self) -> list[str] | None:
        self.join(timeout=10)
        return self.found


def waiting(world: World, polls: int = 1) -> None:
    """Until so many polls wait."""
    while True:
        with world.queues.lock:
            if world.queues._polls == polls:
                return


def test_a_poll_that_waits_is_answered_by_the_next_message(world):
    poll = Poll(world)
    waiting(world)
    world.send("a")
    assert poll.ended() == ["a"]


def test_a_poll_ends_when_the_cloud_s_clock_says_so(world):
    poll = Poll(world)
    waiting(world)
    world.later(20)
    world.queues.tick(world.now)
    assert poll.ended() == []


def test_a_poll_ends_in_real_time_where_nobody_moves_the_clock(world):
    assert Poll(world, wait_s=0.05).ended() == []


def test_a_poll_sees_a_timeout_that_ends_while_it_waits(world):
    world.send("a")
    world.take(hidden_s=5)
    poll = Poll(world)
    waiting(world)
    world.later(5)
    world.queues.tick(world.now)
    assert poll.ended() == ["a"]


def test_one_message_answers_one_of_two_polls(world):
    polls = [Poll(world), Poll(world)]
    waiting(world, 2)
    world.send("a")
    waiting(world, 1)
    world.queues.close()
    assert sorted(poll.ended() for poll in polls) == [[], ["a"]]


def test_polls_beyond_the_bound_do_not_wait(world, monkeypatch):
    monkeypatch.setattr(module, "_MOST_WAITING", 1)
    poll = Poll(world)
    waiting(world)
    assert world.bodies(wait_s=20) == []
    world.send("a")
    assert poll.ended() == ["a"]


def test_a_queue_that_is_deleted_ends_its_polls(world):
    ended: list[type[Exception]] = []

    def poll() -> None:
        try:
            world.take(wait_s=20)
        except KeyError:
            ended.append(KeyError)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    waiting(world)
    world.queues.drop("work")
    thread.join(timeout=10)
    assert ended == [KeyError]
