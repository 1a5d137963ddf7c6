"""What CloudWatch says on EventBridge: (detail-type, resources, detail) of an alarm that changes state. Pure.

Source: Amazon CloudWatch User Guide, "Alarm events and EventBridge", the state change of an alarm on one metric.
"""

import uuid
from datetime import UTC, datetime

from trimtab.local.cloudwatch_base import Alarm, Document

Said = tuple[str, list[str], Document]


def state_of(alarm: Alarm) -> Document:
    """How an alarm stands, as its events tell it."""
    data = {"reasonData": alarm.data} if alarm.data else {}
    return {"value": alarm.state, "reason": alarm.reason, "timestamp": _stamp(alarm.updated), **data}


def state_changed(alarm: Alarm, before: Document) -> Said:
    """before: its `state_of` until then."""
    detail = {
        "alarmName": alarm.name,
        "configuration": _configuration(alarm),
        "previousState": before,
        "state": state_of(alarm),
    }
    return "CloudWatch Alarm State Change", [alarm.arn], detail


def _configuration(alarm: Alarm) -> Document:
    settings = alarm.settings
    metric = {
        "namespace": settings["Namespace"],
        "name": settings["MetricName"],
        "dimensions": {each["Name"]: each["Value"] for each in settings["Dimensions"]},
    }
    statistic = {
        "metric": metric,
        "period": settings["Period"],
        "stat": settings.get("Statistic") or settings["ExtendedStatistic"],
    }
    if "Unit" in settings:
        statistic["unit"] = settings["Unit"]
    id = str(uuid.uuid5(uuid.NAMESPACE_URL, alarm.arn))  # CloudWatch names the metric itself, where nobody did
    described = {"description": settings["AlarmDescription"]} if "AlarmDescription" in settings else {}
    return {**described, "metrics": [{"id": id, "metricStat": statistic, "returnData": True}]}


def _stamp(at: datetime) -> str:
    """ "2019-10-02T17:04:40.989+0000": alarms write their times in a way of their own."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"
