"""The work queue: one turn a key, duplicates folded, edits before events before sweeps."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.queue import BackOff, Line, Priority, WorkQueue

EDIT, EVENT, FLEET, SWEEP = Priority


def taken(line: Line, now: float = 0.0) -> list[str]:
    found = []
    while (each := line.take(now)) is not None:
        found.append(each.key)
    return found


def test_edits_come_before_events_before_sweeps_and_each_in_order():
    line = Line()
    for key, priority in (("a", SWEEP), ("b", EVENT), ("c", EDIT), ("d", EVENT), ("e", EDIT)):
        line.add(key, priority, 0.0)
    assert taken(line) == ["c", "e", "b", "d", "a"]


def test_a_key_that_is_asked_for_twice_has_one_turn_at_the_higher_priority():
    line = Line()
    for key, priority in (("a", SWEEP), ("b", EVENT), ("a", EDIT), ("a", SWEEP)):
        line.add(key, priority, 0.0)
    assert taken(line) == ["a", "b"]


def test_a_key_that_is_asked_for_during_its_turn_has_another_afterwards():
    line = Line()
    line.add("a", EDIT, 0.0)
    assert line.take(0.0).key == "a"
    line.add("a", SWEEP, 1.0)
    line.add("a", EVENT, 1.0)
    assert line.take(1.0) is None
    line.done("a", 2.0)
    again = line.take(3.0)
    assert (again.key, again.priority, again.waited_s) == ("a", EVENT, 1.0)
    line.done("a", 4.0)
    assert line.take(4.0) is None


def test_what_is_due_later_is_due_then_or_when_it_is_asked_for():
    line = Line()
    line.add_later("a", 10.0, EVENT)
    line.add_later("a", 20.0, EVENT)
    line.add_later("b", 15.0, EVENT)
    assert (line.take(9.9), line.next_at()) == (None, 10.0)
    assert taken(line, 10.0) == ["a"]
    line.add("b", EDIT, 11.0)
    assert taken(line, 11.0) == ["b"]
    assert line.next_at() is None


def test_a_busy_key_is_not_due_before_it_is_done():
    line = Line()
    line.add("a", EDIT, 0.0)
    line.take(0.0)
    line.add_later("a", 1.0, EVENT)
    assert (line.take(5.0), line.next_at()) == (None, None)
    line.done("a", 5.0)
    assert taken(line, 5.0) == ["a"]


def test_a_worker_that_is_there_for_edits_leaves_the_rest_to_others():
    line = Line()
    line.add("a", FLEET, 0.0)
    assert line.take(0.0, EDIT) is None
    line.add("b", EDIT, 0.0)
    line.add("a", EDIT, 0.0)
    assert [line.take(0.0, EDIT).key for _ in range(2)] == ["b", "a"]
    assert line.take(0.0) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Priority)), st.booleans()), max_size=40))
def test_no_key_is_lost_or_has_two_turns_at_once(asked):
    line, busy, owed, now = Line(), set(), set(), 0.0
    for key, priority, takes in asked:
        now += 1.0
        line.add(key, priority, now)
        owed.add(key)
        if takes and (each := line.take(now)):
            assert each.key not in busy
            busy.add(each.key)
            owed.discard(each.key)
        elif busy:
            line.done(busy.pop(), now)
    while busy:
        line.done(busy.pop(), now)
    assert set(taken(line, now)) == owed


@given(st.lists(st.tuples(st.sampled_from(["later", "add", "take", "done"]), st.sampled_from("abc"), st.integers(0, 5))))
def test_what_is_due_later_rings_when_the_earliest_word_says_so(asked):
    line, now = Line(), 0.0
    due, later, busy, again = set(), {}, set(), set()
    for what, key, after in asked:
        now += 1.0
        if what == "later":
            line.add_later(key, now + after, EVENT)
            if key not in due:
                later[key] = min(now + after, later.get(key, now + after))
        elif what == "add":
            line.add(key, EVENT, now)
            (again if key in busy else due).add(key)
            if key not in busy:
                later.pop(key, None)
        elif what == "done" and key in busy:
            line.done(key, now)
            busy.discard(key)
            if key in again:
                again.discard(key)
                due.add(key)
                later.pop(key, None)
        elif what == "take":
            rung = {each for each, at in later.items() if at <= now and each not in busy}
            later = {each: at for each, at in later.items() if each not in rung}
            due |= rung
            found = line.take(now)
            assert (found is not None) == bool(due)
            if found:
                assert found.key in due
                due.discard(found.key)
                busy.add(found.key)
        assert line.next_at() == min((at for each, at in later.items() if each not in busy), default=None)


def test_a_worker_waits_until_a_key_is_due_and_leaves_when_the_queue_is_closed():
    now, seen = [0.0], []
    queue = WorkQueue(lambda: now[0])

    def work() -> None:
        while (each := queue.take()) is not None:
            seen.append(each.key)
            queue.done(each.key)
            ended.set()

    ended = threading.Event()
    worker = threading.Thread(target=work)
    worker.start()
    queue.add("a", EDIT)
    assert ended.wait(10)
    queue.close()
    worker.join(10)
    assert (seen, worker.is_alive(), queue.take()) == (["a"], False, None)


def test_a_failure_in_a_row_doubles_the_wait_up_to_its_limit_until_it_is_forgotten():
    back = BackOff({"bug": (5.0, 60.0), "transient": (1.0, 900.0)})
    assert [back.after("a", "bug") for _ in range(6)] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert back.after("b", "bug") == 5.0
    assert [back.after("a", "transient") for _ in range(2)] == [1.0, 2.0]
    back.forget("a")
    assert back.after("a", "bug") == 5.0
