"""EventBridge: rules on the default bus that send matching events to SQS queues.

Refused, and never ignored: other buses, schedules, targets that are no queue of this cloud, input transformers. A target
needs no queue policy, since nothing enforces one.
Source: Amazon EventBridge API Reference; User Guide, "Amazon EventBridge quotas".
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from trimtab.local.event_patterns import InvalidPattern, matches, parsed
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError, World
from trimtab.local.signals import Document, Rule, Signals

BUS = "default"
_MOST_RULES, _MOST_TARGETS, _MOST_BYTES = 300, 5, 1_048_576
_PATH = re.compile(r"\$(\.[A-Za-z0-9_-]+)*")
_KEPT = {"Id", "Arn", "RoleArn", "Input", "InputPath", "DeadLetterConfig", "RetryPolicy"}  # of a target


class Events:
    service = "events"
    whole = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._signals: Signals = world.signals

    def tick(self, now: datetime) -> None:
        """Nothing moves by itself: an event is delivered when it is said."""

    def recover(self) -> Sequence[str]:
        return ()

    # --- buses ---

    def describe_event_bus(self, arguments: Arguments, context: Context) -> Reply:
        _check_bus(arguments, "Name")
        return self._bus()

    def list_event_buses(self, arguments: Arguments, context: Context) -> Reply:
        return {"EventBuses": [self._bus()] if BUS.startswith(arguments.get("NamePrefix", "")) else []}

    # --- rules ---

    def put_rule(self, arguments: Arguments, context: Context) -> Reply:
        """Make a rule or replace its settings; its targets stay."""
        _check_bus(arguments)
        name, pattern = arguments["Name"], arguments.get("EventPattern")
        if arguments.get("ScheduleExpression"):
            raise _invalid("The local cloud has no scheduled rules: ScheduleExpression cannot be given.")
        if not pattern:
            raise _invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        _pattern(pattern)
        tags = {each["Key"]: each["Value"] for each in arguments.get("Tags") or ()}
        with self._signals.lock:
            rule = self._signals.rules.get(name)
            if rule is None and len(self._signals.rules) >= _MOST_RULES:
                raise ServiceError(
                    "LimitExceededException",
                    f"The requested resource exceeds the maximum number allowed: {_MOST_RULES} rules.",
                )
            rule = rule or Rule(name, pattern, context.account, tags=tags)  # tags of a rule that is there stay
            rule.pattern, rule.state = pattern, arguments.get("State", "ENABLED")
            rule.description, rule.role = arguments.get("Description", ""), arguments.get("RoleArn", "")
            self._signals.rules.put(rule)
        return {"RuleArn": self._arn(name)}

    def describe_rule(self, arguments: Arguments, context: Context) -> Reply:
        _check_bus(arguments)
        rule = self._rule(arguments["Name"])
        return self._shown(rule) | {"CreatedBy": rule.created_by}

    def list_rules(self, arguments: Arguments, context: Context) -> Reply:
        _check_bus(arguments)
        rules = sorted((rule for rule in self._signals.rules), key=lambda rule: rule.name)
        chosen = [rule for rule in rules if rule.name.startswith(arguments.get("NamePrefix", ""))]
        found, token = _page(chosen, arguments)
        return {"Rules": [self._shown(rule) for rule in found], **token}

    def list_rule_names_by_target(self, arguments: Arguments, context: Context) -> Reply:
        _check_bus(arguments)
        arn = arguments["TargetArn"]
        names = sorted(rule.name for rule in self._signals.rules if any(each["Arn"] == arn for each in rule.targets))
        found, token = _page(names, arguments)
        return {"RuleNames": list(found), **token}

    def enable_rule(self, arguments: Arguments, context: Context) -> Reply:
        return self._switch(arguments, "ENABLED")

    def disable_rule(self, arguments: Arguments, context: Context) -> Reply:
        return self._switch(arguments, "DISABLED")

    def delete_rule(self, arguments: Arguments, context: Context) -> Reply:
        """A rule that is not there is no error."""
        _check_bus(arguments)
        with self._signals.lock:
            rule = self._signals.rules.get(arguments["Name"])
            if rule is not None and rule.targets:
                raise _invalid("Rule can't be deleted since it has targets.")
            self._signals.rules.drop(arguments["Name"])
        return {}

    # --- targets ---

    def put_targets(self, arguments: Arguments, context: Context) -> Reply:
        _check_bus(arguments)
        for target in arguments["Targets"]:
            self._check_target(target)
        with self._signals.lock:
            rule = self._rule(arguments["Rule"])
            targets = {each["Id"]: each for each in rule.targets}
            targets |= {each["Id"]: _kept(each) for each in arguments["Targets"]}
            if len(targets) > _MOST_TARGETS:
                raise ServiceError(
                    "LimitExceededException",
                    f"The requested resource exceeds the maximum number allowed: {_MOST_TARGETS} targets.",
                )
            rule.targets = list(targets.values())
            self._signals.rules.put(rule)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def list_targets_by_rule(self, arguments: Arguments, context: Context) -> Reply:
        _check_bus(arguments)
        found, token = _page(self._rule(arguments["Rule"]).targets, arguments)
        return {"Targets": list(found), **token}

    def remove_targets(self, arguments: Arguments, context: Context) -> Reply:
        _check_bus(arguments)
        failed: list[Document] = []
        with self._signals.lock:
            rule = self._rule(arguments["Rule"])
            for id in arguments["Ids"]:
                if all(each["Id"] != id for each in rule.targets):
                    words = f"Rule {rule.name} does not have a target with the Id {id}."
                    failed.append({"TargetId": id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": words})
            rule.targets = [each for each in rule.targets if each["Id"] not in arguments["Ids"]]
            self._signals.rules.put(rule)
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    # --- events ---

    def put_events(self, arguments: Arguments, context: Context) -> Reply:
        entries: Sequence[Mapping[str, Any]] = arguments["Entries"]
        if sum(map(_size, entries)) > _MOST_BYTES:
            raise _invalid(f"Total size of the entries in the request is over the limit of {_MOST_BYTES} bytes.")
        answers = [self._put(entry, context) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in each for each in answers), "Entries": answers}

    def test_event_pattern(self, arguments: Arguments, context: Context) -> Reply:
        pattern = _pattern(arguments["EventPattern"])
        event = _json(arguments["Event"])
        if event is None or not {"id", "account", "source", "time", "region", "resources", "detail-type"} <= set(event):
            raise _invalid("Parameter Event is not valid.")
        return {"Result": matches(pattern, event)}

    # --- tags ---

    def tag_resource(self, arguments: Arguments, context: Context) -> Reply:
        with self._signals.lock:
            rule = self._by_arn(arguments)
            rule.tags |= {each["Key"]: each["Value"] for each in arguments["Tags"]}
            self._signals.rules.put(rule)
        return {}

    def untag_resource(self, arguments: Arguments, context: Context) -> Reply:
        with self._signals.lock:
            rule = self._by_arn(arguments)
            rule.tags = {key: value for key, value in rule.tags.items() if key not in arguments["TagKeys"]}
            self._signals.rules.put(rule)
        return {}

    def list_tags_for_resource(self, arguments: Arguments, context: Context) -> Reply:
        return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(self._by_arn(arguments).tags.items())]}

    def tagged(self) -> list[tuple[str, Mapping[str, str]]]:
        return [(self._arn(rule.name), rule.tags) for rule in self._signals.rules]

    # --- inside ---

    def _put(self, entry: Mapping[str, Any], context: Context) -> Document:
        """Send one event of a person's own; answers its id, or why not."""
        for wrong, code, words in (
            (entry.get("EventBusName", BUS).rpartition("/")[2] != BUS, "InvalidArgument", "The event bus does not exist."),
            (
                not entry.get("Source"),
                "InvalidArgument",
                "Parameter Source is not valid. Reason: Source is a required argument.",
            ),
            (
                str(entry.get("Source", "")).startswith("aws."),
                "NotAuthorizedForSourceException",
                "Not authorized for the source.",
            ),
            (
                not entry.get("DetailType"),
                "InvalidArgument",
                "Parameter DetailType is not valid. Reason: DetailType is a required argument.",
            ),
            (
                not entry.get("Detail"),
                "InvalidArgument",
                "Parameter Detail is not valid. Reason: Detail is a required argument.",
            ),
            (_json(entry.get("Detail") or "") is None, "MalformedDetail", "Detail is malformed."),
        ):
            if wrong:
                return {"ErrorCode": code, "ErrorMessage": words}
        detail = _json(entry["Detail"]) or {}
        id = self._signals.emit(
            entry["Source"], entry["DetailType"], list(entry.get("Resources") or ()), detail, _at(entry, context)
        )
        return {"EventId": id}

    def _check_target(self, target: Mapping[str, Any]) -> None:
        queue = f"arn:aws:sqs:{self._world.region}:{self._world.account}:"
        arns = [
            target["Arn"],
            *([target["DeadLetterConfig"]["Arn"]] if target.get("DeadLetterConfig", {}).get("Arn") else []),
        ]
        if any(not arn.startswith(queue) for arn in arns):
            raise _invalid("The local cloud delivers events to its own SQS queues only.")
        if any(self._signals.queues.shelf.get(arn.removeprefix(queue)) is None for arn in arns):
            raise _invalid(f"The queue of target {target['Id']} does not exist.")
        if others := sorted(set(target) - _KEPT):
            raise _invalid(f"The local cloud's targets do not have {', '.join(others)}.")
        if "Input" in target and "InputPath" in target:
            raise _invalid("Only one of Input, InputPath, or InputTransformer must be provided.")
        if not _PATH.fullmatch(target.get("InputPath", "$")):
            raise _invalid("The local cloud reads an InputPath of names only, such as $.detail.status.")

    def _switch(self, arguments: Arguments, state: str) -> Reply:
        _check_bus(arguments)
        with self._signals.lock:
            rule = self._rule(arguments["Name"])
            rule.state = state
            self._signals.rules.put(rule)
        return {}

    def _rule(self, name: str) -> Rule:
        found = self._signals.rules.get(name)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {BUS}.")
        return found

    def _by_arn(self, arguments: Arguments) -> Rule:
        return self._rule(str(arguments["ResourceARN"]).rpartition("/")[2])

    def _arn(self, name: str) -> str:
        return f"arn:aws:events:{self._world.region}:{self._world.account}:rule/{name}"

    def _bus(self) -> Document:
        return {"Name": BUS, "Arn": f"arn:aws:events:{self._world.region}:{self._world.account}:event-bus/{BUS}"}

    def _shown(self, rule: Rule) -> Document:
        shown = {
            "Name": rule.name,
            "Arn": self._arn(rule.name),
            "EventPattern": rule.pattern,
            "State": rule.state,
            "Description": rule.description,
            "RoleArn": rule.role,
            "EventBusName": BUS,
        }
        return {name: value for name, value in shown.items() if value}


def _check_bus(arguments: Arguments, name: str = "EventBusName") -> None:
    given = str(arguments.get(name) or BUS).rpartition("/")[2]
    if given != BUS:
        raise ServiceError("ResourceNotFoundException", f"Event bus {given} does not exist.")


def _pattern(text: str) -> Mapping[str, Any]:
    try:
        return parsed(text)
    except InvalidPattern as error:
        raise ServiceError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}") from None


def _page(items: Sequence[Any], arguments: Arguments) -> tuple[Sequence[Any], Document]:
    """(one page of a list, the token of the next)."""
    token, most = str(arguments.get("NextToken") or "0"), int(arguments.get("Limit") or 100)
    if not token.isdecimal():
        raise _invalid("NextToken is not one that was answered.")
    end = int(token) + most
    return items[int(token) : end], {"NextToken": str(end)} if end < len(items) else {}


def _kept(target: Mapping[str, Any]) -> Document:
    return {name: value for name, value in target.items() if value is not None}


def _json(text: str) -> Document | None:
    """An object, or None for what is none."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    return cast(Document, value) if isinstance(value, dict) else None


def _size(entry: Mapping[str, Any]) -> int:
    """Bytes of an entry, as PutEvents counts them."""
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", ""), *(entry.get("Resources") or ())]
    return (14 if entry.get("Time") else 0) + sum(len(str(each).encode()) for each in texts)


def _at(entry: Mapping[str, Any], context: Context) -> datetime:
    given = entry.get("Time")
    if given is None:
        return context.now
    return given if given.tzinfo else given.replace(tzinfo=context.now.tzinfo)


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
