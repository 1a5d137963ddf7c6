"""Metric alarms: their operations, and their evaluation once a minute (every ten seconds where the period is shorter).

Of actions, scaling policies are carried out, on each evaluation while the state lasts; every other one is said in the
history to be none that the local cloud carries out. EventBridge hears of each change of state. No composite alarms, no
math, no anomaly bands.
Source: Amazon CloudWatch API Reference, PutMetricAlarm, DescribeAlarms, DeleteAlarms, SetAlarmState, EnableAlarmActions,
DescribeAlarmHistory; User Guide, "Alarm actions".
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from trimtab.local.cloudwatch_base import (
    Alarm,
    Base,
    Document,
    Note,
    combination,
    dimensions_in,
    invalid,
    missing,
    page,
    tags_in,
)
from trimtab.local.cloudwatch_evaluate import OPERATORS, TREATMENTS, Rule, Verdict, evaluate
from trimtab.local.cloudwatch_events import state_changed, state_of
from trimtab.local.cloudwatch_series import Metric, is_statistic, periods, statistic
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

MINUTE_S, SHORT_S = 60, 10  # how often alarms are evaluated
_KEPT = (
    "AlarmName",
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
)
_ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
_DAY_S = 86_400


class Alarms(Base):
    def put_metric_alarm(self, arguments: Arguments, context: Context) -> Reply:
        self.keep_alarm(_checked(arguments), tags_in(arguments), context.now)
        return {}

    def keep_alarm(self, settings: Document, tags: dict[str, str], now: datetime) -> Alarm:
        """Make an alarm, or give one other settings; its state stays as it is."""
        name = settings["AlarmName"]
        found = self.alarms.get(name)
        if found is None:
            arn = f"arn:aws:cloudwatch:{self.world.region}:{self.world.account}:alarm:{name}"
            found = Alarm(arn, name, settings, configured=now, updated=now, changed=now, tags=tags)
            found.note(now, "ConfigurationUpdate", f'Alarm "{name}" created', {"type": "Create"})
        else:  # tags of an alarm that is there are changed by TagResource alone
            found.settings, found.configured = settings, now
            found.note(now, "ConfigurationUpdate", f'Alarm "{name}" updated', {"type": "Update"})
        self.alarms.put(found)
        return found

    def describe_alarms(self, arguments: Arguments, context: Context) -> Reply:
        if arguments.get("AlarmNames") and arguments.get("AlarmNamePrefix"):
            raise combination("AlarmNamePrefix and AlarmNames are mutually exclusive.")
        names = arguments.get("AlarmNames")
        chosen = [
            each
            for each in sorted(self.alarms, key=lambda alarm: alarm.name)
            if (names is None or each.name in names)
            and each.name.startswith(arguments.get("AlarmNamePrefix", ""))
            and arguments.get("StateValue") in (None, each.state)
            and ("ActionPrefix" not in arguments or any(a.startswith(arguments["ActionPrefix"]) for a in _actions(each)))
            and "MetricAlarm" in (arguments.get("AlarmTypes") or ["MetricAlarm"])
        ]
        found, token = page(arguments, chosen, arguments.get("MaxRecords", 50))
        return {"MetricAlarms": [shown(each) for each in found], "CompositeAlarms": [], **token}

    def describe_alarms_for_metric(self, arguments: Arguments, context: Context) -> Reply:
        wanted = Metric(arguments["Namespace"], arguments["MetricName"], dimensions_in(arguments.get("Dimensions")))
        asked = {key: arguments[key] for key in ("Statistic", "ExtendedStatistic", "Period", "Unit") if key in arguments}
        found = [
            each
            for each in self.alarms
            if metric_of(each) == wanted and all(each.settings.get(key) == value for key, value in asked.items())
        ]
        return {"MetricAlarms": [shown(each) for each in found]}

    def delete_alarms(self, arguments: Arguments, context: Context) -> Reply:
        for alarm in [self.alarm(name) for name in arguments["AlarmNames"]]:  # all of them, or none
            self.alarms.drop(alarm.name)
        return {}

    def set_alarm_state(self, arguments: Arguments, context: Context) -> Reply:
        alarm = self.alarm(arguments["AlarmName"])
        verdict = Verdict(arguments["StateValue"], arguments["StateReason"])
        self._become(alarm, verdict, arguments.get("StateReasonData", ""), context.now)
        return {}

    def enable_alarm_actions(self, arguments: Arguments, context: Context) -> Reply:
        return self._switch(arguments, True)

    def disable_alarm_actions(self, arguments: Arguments, context: Context) -> Reply:
        return self._switch(arguments, False)

    def _switch(self, arguments: Arguments, on: bool) -> Reply:
        for alarm in self.alarms:
            if alarm.name in arguments["AlarmNames"]:
                alarm.settings["ActionsEnabled"] = on
                self.alarms.put(alarm)
        return {}

    def describe_alarm_history(self, arguments: Arguments, context: Context) -> Reply:
        since, until = arguments.get("StartDate"), arguments.get("EndDate")
        notes = [
            (alarm, note)
            for alarm in self.alarms
            if arguments.get("AlarmName") in (None, alarm.name)
            for note in alarm.history
            if arguments.get("HistoryItemType") in (None, note.type)
            and (since is None or note.at >= since)
            and (until is None or note.at <= until)
        ]
        oldest_first = arguments.get("ScanBy", "TimestampDescending") == "TimestampAscending"
        if oldest_first:
            notes.reverse()
        notes.sort(key=lambda each: each[1].at, reverse=not oldest_first)
        found, token = page(arguments, notes, arguments.get("MaxRecords", 100))
        return {"AlarmHistoryItems": [_shown_note(alarm, note) for alarm, note in found], **token}

    # What services' deployments are watched by

    def ringing(self, names: Sequence[str]) -> list[str]:
        """Those of the alarms that are in ALARM; one that does not exist is not."""
        return [each.name for each in self.alarms if each.name in names and each.state == "ALARM"]

    def longest(self, names: Sequence[str]) -> timedelta:
        """The longest time that one of the alarms looks back over."""
        watched = (each.settings for each in self.alarms if each.name in names)
        return timedelta(seconds=max((each["Period"] * each["EvaluationPeriods"] for each in watched), default=0))

    # Evaluation

    def look(self, now: datetime, *, every_s: int) -> None:
        """Evaluate the alarms that are due: those of whole minutes, or those of shorter periods."""
        for alarm in self.alarms:
            if (alarm.settings["Period"] < MINUTE_S) == (every_s < MINUTE_S):
                self._evaluate(alarm, now, every_s)

    def _evaluate(self, alarm: Alarm, now: datetime, every_s: int) -> None:
        settings, rule = alarm.settings, rule_of(alarm)
        period_s, end = settings["Period"], int(now.timestamp()) // every_s * every_s
        start = end - rule.range * period_s
        name = settings.get("Statistic") or settings["ExtendedStatistic"]
        found = periods(self.values.of(metric_of(alarm), settings.get("Unit", "")), start, end, period_s)
        points = [statistic(found[at], name) if at in found else None for at in range(start, end, period_s)]

        def label(age: int) -> str:
            return datetime.fromtimestamp(end - (age + 1) * period_s, UTC).strftime("%d/%m/%y %H:%M:%S")

        verdict = evaluate(rule, alarm.state, points, label)
        if verdict.state != alarm.state:
            self._become(alarm, verdict, _data(alarm, verdict, now), now)
        else:
            if verdict.points:  # what a scaling policy goes by while the state lasts
                alarm.data = _data(alarm, verdict, now)
            self._scale(alarm, now)

    def _become(self, alarm: Alarm, verdict: Verdict, data: str, now: datetime) -> None:
        before, stood = alarm.state, state_of(alarm)
        alarm.updated = now
        if before != verdict.state:
            alarm.changed = now
        parts = {"oldState": (before, alarm.reason), "newState": (verdict.state, verdict.reason)}
        told = {name: {"stateValue": state, "stateReason": reason} for name, (state, reason) in parts.items()}
        alarm.state, alarm.reason, alarm.data = verdict.state, verdict.reason, data
        if before != verdict.state:
            alarm.note(now, "StateUpdate", f"Alarm updated from {before} to {verdict.state}", told)
            self._announce(alarm, now)
            self.world.signals.emit("aws.cloudwatch", *state_changed(alarm, stood), now)
        self.alarms.put(alarm)
        self._scale(alarm, now)

    def _announce(self, alarm: Alarm, now: datetime) -> None:
        """Say of each action but a scaling policy that it was not carried out."""
        for action in _due(alarm):
            if not _is_policy(action):
                said = f"Failed to execute action {action}: the local cloud carries out scaling policies only"
                alarm.note(now, "Action", said, {"actionState": "Failed", "notificationResource": action})

    def _scale(self, alarm: Alarm, now: datetime) -> None:
        scaling: Any = self.world.overlays.get("application-autoscaling")
        for action in _due(alarm):
            if _is_policy(action) and scaling is not None and scaling.alarmed(action, alarm, now):
                alarm.note(now, "Action", f"Successfully executed action {action}", {"actionState": "Succeeded"})
                self.alarms.put(alarm)


def rule_of(alarm: Alarm) -> Rule:
    settings = alarm.settings
    return Rule(
        settings["ComparisonOperator"],
        float(settings["Threshold"]),
        settings["EvaluationPeriods"],
        settings.get("DatapointsToAlarm", settings["EvaluationPeriods"]),
        settings.get("TreatMissingData", "missing"),
    )


def metric_of(alarm: Alarm) -> Metric:
    settings = alarm.settings
    return Metric(settings["Namespace"], settings["MetricName"], dimensions_in(settings.get("Dimensions")))


def _actions(alarm: Alarm) -> list[str]:
    return [action for key in _ACTIONS.values() for action in alarm.settings[key]]


def _due(alarm: Alarm) -> Sequence[str]:
    """The actions of the present state."""
    return alarm.settings[_ACTIONS[alarm.state]] if alarm.settings["ActionsEnabled"] else ()


def _is_policy(action: str) -> bool:
    return action.startswith("arn:aws:autoscaling:") and ":scalingPolicy:" in action


def _data(alarm: Alarm, verdict: Verdict, now: datetime) -> str:
    """StateReasonData, as CloudWatch writes it."""
    if not verdict.points:
        return ""
    settings = alarm.settings
    return json.dumps(
        {
            "version": "1.0",
            "queryDate": now.isoformat(timespec="milliseconds"),
            "statistic": settings.get("Statistic") or settings["ExtendedStatistic"],
            "period": settings["Period"],
            "recentDatapoints": verdict.points,
            "threshold": settings["Threshold"],
        }
    )


def shown(alarm: Alarm) -> Document:
    """An alarm as DescribeAlarms answers it."""
    return alarm.settings | {
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": alarm.updated,
        "StateTransitionedTimestamp": alarm.changed,
        **({"StateReasonData": alarm.data} if alarm.data else {}),
    }


def _shown_note(alarm: Alarm, note: Note) -> Document:
    return {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm",
        "Timestamp": note.at,
        "HistoryItemType": note.type,
        "HistorySummary": note.summary,
        "HistoryData": note.data,
    }


def _checked(arguments: Arguments) -> Document:
    """What an alarm is given, with CloudWatch's defaults. Raises ServiceError."""
    for key in ("Metrics", "ThresholdMetricId", "EvaluateLowSampleCountPercentile", "EvaluationCriteria"):
        if arguments.get(key):
            raise invalid(f"The local cloud does not have {key}: its alarms watch one metric.")
    for key in ("MetricName", "Namespace", "Period", "Threshold", "EvaluationPeriods"):
        if arguments.get(key) is None:
            raise missing(f"The parameter {key} is required.")
    _check_statistic(arguments)
    _check_periods(arguments)
    if arguments["ComparisonOperator"] not in OPERATORS:
        raise invalid(f"The local cloud does not have {arguments['ComparisonOperator']}.")
    if arguments.get("TreatMissingData", "missing") not in TREATMENTS:
        raise ServiceError("ValidationError", f"Invalid value for TreatMissingData: {', '.join(TREATMENTS)}.")
    settings: Document = {key: arguments[key] for key in _KEPT if key in arguments}
    lists: Document = {key: [] for key in (*_ACTIONS.values(), "Dimensions")}
    return {**lists, "ActionsEnabled": True, **settings}


def _check_statistic(arguments: Arguments) -> None:
    if bool(arguments.get("Statistic")) == bool(arguments.get("ExtendedStatistic")):
        raise combination("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if not is_statistic(arguments.get("Statistic") or arguments["ExtendedStatistic"]):
        raise invalid("ExtendedStatistic: the local cloud computes percentiles (p0 to p100).")


def _check_periods(arguments: Arguments) -> None:
    period_s, count = arguments["Period"], arguments["EvaluationPeriods"]
    if period_s not in (10, 20, 30) and (period_s < MINUTE_S or period_s % MINUTE_S):
        raise ServiceError("ValidationError", "Period must be 10, 20, 30 or a multiple of 60.")
    if period_s * count > (_DAY_S if period_s < 3600 else 7 * _DAY_S):
        raise ServiceError(
            "ValidationError", "Metrics cannot be checked across more than a day (EvaluationPeriods * Period)."
        )
    if arguments.get("DatapointsToAlarm", count) > count:
        raise ServiceError("ValidationError", "DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
