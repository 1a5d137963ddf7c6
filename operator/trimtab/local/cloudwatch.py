"""CloudWatch of the local cloud: metrics of what really runs here and of anybody who sends some, and alarms that evaluate.

Once a minute what tasks and load balancers have measured is published (vitals.py), then every alarm is evaluated on whole
minutes. Differences from AWS: data points of a minute are kept for 15 days at most and are never made coarser; the newest
50,000 over all metrics; percentiles are by nearest rank.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from trimtab.local.cloudwatch_alarms import MINUTE_S, SHORT_S, Alarms
from trimtab.local.cloudwatch_base import Alarm, Tags, tags_in
from trimtab.local.cloudwatch_metrics import Metrics
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.vitals import Vitals


class CloudWatch(Metrics, Alarms):
    service = "cloudwatch"
    whole = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._vitals = Vitals(world, self.publish)
        now = world.clock.now().timestamp()
        self._minute, self._short = now // MINUTE_S, now // SHORT_S

    def tick(self, now: datetime) -> None:
        minute, short = now.timestamp() // MINUTE_S, now.timestamp() // SHORT_S
        if minute != self._minute:
            self._vitals.publish(int(self._minute) * MINUTE_S)
            self._minute = minute
            self.look(now, every_s=MINUTE_S)
            self.values.prune(now)
        if short != self._short:
            self._short = short
            self.look(now, every_s=SHORT_S)

    def recover(self) -> Sequence[str]:
        return ()

    # Tags

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        alarm = self._tagged(arguments)
        fresh = alarm.tags | tags_in(arguments)
        if len(fresh) > 50:
            raise ServiceError("InvalidParameterValue", "The limit is 50 tags per resource.")
        alarm.tags = fresh
        self.alarms.put(alarm)
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        alarm = self._tagged(arguments)
        alarm.tags = {key: value for key, value in alarm.tags.items() if key not in arguments["TagKeys"]}
        self.alarms.put(alarm)
        return {}

    def list_tags_for_resource(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tagged(arguments).tags.items()]}

    def tagged(self) -> Iterator[tuple[str, Tags]]:
        yield from ((each.arn, each.tags) for each in self.alarms)

    def _tagged(self, arguments: Arguments) -> Alarm:
        found = next((each for each in self.alarms if each.arn == arguments["ResourceARN"]), None)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Unknown resource {arguments['ResourceARN']}", 404)
        return found
