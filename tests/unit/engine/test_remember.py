"""What a pass leaves in the ledger."""

from trimtab.engine.ledger import Ledger
from trimtab.engine.remember import with_troubles
from trimtab.plan.status import Trouble

LEDGER = Ledger("uid", "vision", "digits", "local", "123456789012", "us-east-1")


def test_a_trouble_that_comes_again_under_another_request_id_is_no_news():
    first = with_troubles(LEDGER, [Trouble("a/b", "AccessDenied", "ecs:X: no (request r-1)", False)])
    assert with_troubles(first, [Trouble("a/b", "AccessDenied", "ecs:X: no (request r-2)", False)]) == first
    assert with_troubles(first, [Trouble("a/b", "AccessDenied", "ecs:X: nope (request r-2)", False)]) != first
    assert with_troubles(first, []) == LEDGER
