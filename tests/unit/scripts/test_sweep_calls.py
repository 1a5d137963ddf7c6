"""docs/internals/sweep.md states the calls that scripts/sweep_calls.py counts."""

import re
from collections.abc import Mapping

import pytest
from outside import TOP
from sweep_calls import PAGES, sweep_calls

PAGE = (TOP / "docs" / "internals" / "sweep.md").read_text()
INTERVAL_S = 60.0
OF_A_PASS = 27
ROWS = {
    int(count.replace(",", "")): (int(calls.replace(",", "")), int(passes.replace(",", "")))
    for count, calls, passes in re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| [\d,]* ?\| ([\d,]+) \|$", PAGE, re.MULTILINE)
}


def whole(count: int) -> int:
    """Calls for so many whole deployments, as the page has them below its table."""
    scaled = ("application-autoscaling:", "cloudwatch:")
    one = ("ecs:DescribeClusters", "elbv2:DescribeLoadBalancers", "elbv2:DescribeListeners", "apigatewayv2:GetVpcLinks")
    twice = ("ecs:ListTasks", "ecs:DescribeTasks", "ecs:ListTaskDefinitionFamilies")
    bulk: Mapping[str, int] = {
        **{read: count for read in PAGES if not read.startswith(scaled)},
        **dict.fromkeys(one, 1),
        **dict.fromkeys(twice, 2 * count),
        "iam:GetAccountAuthorizationDetails": 3 * count,
    }
    by_turns = {"apigateway": 3 * count, "elbv2": 2 * count, "ecr": count, "s3": 5 * count}
    return sweep_calls(bulk, by_turns, INTERVAL_S)


def of_the_fleet(count: int) -> int:
    """Calls for so many of the six kinds that the peers were measured with; a page shows their bucket up to 500."""
    reads = ("s3:ListObjectsV2", "iam:GetAccountAuthorizationDetails", "logs:DescribeLogGroups", "ecs:DescribeServices")
    bulk = dict.fromkeys((*reads, "ecs:ListTaskDefinitionFamilies"), count) | {"ecr:DescribeRepositories": count + 1}
    return sweep_calls(bulk, {"s3": int(2 * count > 1000)}, INTERVAL_S)


def test_the_page_has_every_size():
    assert sorted(ROWS) == [1, 10, 50, 200, 1000]


@pytest.mark.parametrize("count", sorted(ROWS))
def test_a_row_is_what_the_formula_gives(count: int):
    assert ROWS[count] == (whole(count), OF_A_PASS * count)


def test_bulk_alone_is_a_fifth_of_n():
    by_turns = int(4 * 2 * INTERVAL_S)
    assert "Bulk alone is 0.2 N" in PAGE
    assert round((whole(1000) - by_turns) / 1000, 1) == 0.2


def test_the_six_kinds_take_what_is_said():
    said = re.search(r"take (\d+) calls at N = 1 and 10, (\d+) at 50, (\d+) at 200 and (\d+) at 1,000", PAGE)
    assert said
    assert [int(each) for each in said.groups()] == [of_the_fleet(count) for count in (10, 50, 200, 1000)]
    assert of_the_fleet(1) == of_the_fleet(10)


def test_the_formula_has_the_pages_that_are_counted_with():
    formula = PAGE.partition("bulk =")[2].partition("by turns =")[0]
    found = {name: int(most) for most, name in re.findall(r"⌈\w/(\d+)⌉ +(?:[A-Z][A-Z\d]+ )?([A-Z]\w+)", formula)}
    operations = {read.partition(":")[2]: most for read, most in PAGES.items()}
    assert found == {name: most for name, most in operations.items() if name not in ("DescribeListeners", "GetVpcLinks")}
    assert "L DescribeListeners" in formula
    assert "1 GetVpcLinks" in formula
