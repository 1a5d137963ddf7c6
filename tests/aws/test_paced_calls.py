"""Each page of a list is a request, and waits for a token of its own."""

from clouds import running_cloud
from trimtab.clients.aws import Account, Aws
from trimtab.clients.pace import Pace
from trimtab.core.kind import Call


class Counted(Pace):
    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.paid: list[str] = []

    def pay(self, service: str, operation: str) -> None:
        self.paid.append(f"{service}:{operation}")


def test_each_page_of_a_list_and_each_write_is_paid_for(tmp_path):
    with running_cloud(tmp_path / "state") as cloud:
        info, pace = cloud.info, Counted()
        aws = Aws(Account(info.region, info.endpoint, info.access_key_id, info.secret_access_key), pace=pace)
        for number in range(120):
            aws.make(Call("logs", "CreateLogGroup", {"logGroupName": f"/paced/{number}"}, repeat="safe"))
        assert pace.paid == ["logs:CreateLogGroup"] * 120
        found = aws.make(Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": "/paced/", "limit": 50}))
        assert len(found["logGroups"]) == 120
        assert pace.paid[120:] == ["logs:DescribeLogGroups"] * 3
