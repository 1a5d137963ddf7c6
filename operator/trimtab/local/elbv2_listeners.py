"""Listeners and their rules."""

import secrets
from collections.abc import Sequence
from typing import Any

from trimtab.local.elbv2_base import Base, listed, page, set_attributes, shown_attributes, tags_in
from trimtab.local.elbv2_records import Document, Listener, Rule, groups_in
from trimtab.local.elbv2_rules import CONFIGURATIONS, check_conditions, values_of
from trimtab.local.overlay import Arguments, Context, Reply, ServiceError

ATTRIBUTES = {"routing.http.response.server.enabled": "true"}
FINAL = {"forward": "ForwardConfig", "fixed-response": "FixedResponseConfig", "redirect": "RedirectConfig"}
MOST_STICKY_S = 604_800


class Listeners(Base):
    def create_listener(self, arguments: Arguments, context: Context) -> Reply:
        balancer = self.load_balancer(arguments["LoadBalancerArn"])
        port, protocol = arguments.get("Port"), arguments.get("Protocol")
        if port is None or protocol is None:
            raise ServiceError("ValidationError", "A listener must have a port and a protocol")
        self._check_protocol(protocol)
        self._check_port(balancer.arn, port)
        actions = self.checked_actions(arguments["DefaultActions"], balancer.arn)
        parts, id = balancer.arn.split(":loadbalancer/", 1)[1], secrets.token_hex(8)
        listener = Listener(
            arn=self.arn(f"listener/{parts}/{id}"),
            balancer=balancer.arn,
            port=port,
            protocol=protocol,
            actions=actions,
            attributes=dict(ATTRIBUTES),
            default_rule=self.arn(f"listener-rule/{parts}/{id}/{secrets.token_hex(8)}"),
            tags=tags_in(arguments),
        )
        self.publish(listener)
        self.book.listeners.put(listener)
        self.settle_all()
        return {"Listeners": [shown_listener(listener)]}

    def _check_protocol(self, protocol: str) -> None:
        if protocol != "HTTP":
            raise ServiceError("UnsupportedProtocol", f"The local cloud has no listeners for protocol '{protocol}'")

    def _check_port(self, balancer_arn: str, port: int, besides: str = "") -> None:
        others = [each for each in self.book.listeners_of(balancer_arn) if each.arn != besides]
        if any(each.port == port for each in others):
            raise ServiceError(
                "DuplicateListener", f"A listener already exists on this port for this load balancer '{balancer_arn}'"
            )
        twin = port + 8000 if port < 1024 else port
        if any(self.endpoint(each)[1] == twin for each in others):
            raise ServiceError(
                "InvalidConfigurationRequest",
                f"Port {port} stands on {twin} of this machine, which another listener of this load balancer has",
            )

    def describe_listeners(self, arguments: Arguments, context: Context) -> Reply:
        if arns := listed(arguments, "ListenerArns"):
            chosen = [self.listener(arn) for arn in arns]
        elif "LoadBalancerArn" in arguments:
            chosen = self.book.listeners_of(self.load_balancer(arguments["LoadBalancerArn"]).arn)
        else:
            raise ServiceError("ValidationError", "You must specify either listener ARNs or a load balancer ARN")
        return page(arguments, chosen, "Listeners", shown_listener)

    def modify_listener(self, arguments: Arguments, context: Context) -> Reply:
        listener = self.listener(arguments["ListenerArn"])
        self._check_protocol(arguments.get("Protocol", "HTTP"))
        port = arguments.get("Port", listener.port)
        if port != listener.port:
            self._check_port(listener.balancer, port, listener.arn)
        if "DefaultActions" in arguments:
            listener.actions = self.checked_actions(arguments["DefaultActions"], listener.balancer)
        if port != listener.port:
            before, listener.port = self.endpoint(listener), port
            self.balancer.close(*before)
        self.publish(listener)
        self.book.listeners.put(listener)
        self.settle_all()
        return {"Listeners": [shown_listener(listener)]}

    def delete_listener(self, arguments: Arguments, context: Context) -> Reply:
        listener = self.listener(arguments["ListenerArn"])
        self.balancer.close(*self.endpoint(listener))
        for rule in self.book.rules_of(listener.arn):
            self.book.rules.drop(rule.arn)
        self.book.listeners.drop(listener.arn)
        self.settle_all()
        return {}

    def describe_listener_attributes(self, arguments: Arguments, context: Context) -> Reply:
        return {"Attributes": shown_attributes(self.listener(arguments["ListenerArn"]).attributes)}

    def modify_listener_attributes(self, arguments: Arguments, context: Context) -> Reply:
        listener = self.listener(arguments["ListenerArn"])
        set_attributes(listener.attributes, arguments["Attributes"], "Listener")
        self.book.listeners.put(listener)
        return {"Attributes": shown_attributes(listener.attributes)}

    # Rules

    def create_rule(self, arguments: Arguments, context: Context) -> Reply:
        listener = self.listener(arguments["ListenerArn"])
        if arguments.get("Transforms"):
            raise ServiceError("ValidationError", "The local cloud has no transforms of requests")
        check_conditions(arguments["Conditions"])
        self._check_priorities(listener.arn, {arguments["Priority"]}, set())
        actions = self.checked_actions(arguments["Actions"], listener.balancer)
        rule = Rule(
            arn=f"{listener.arn.replace(':listener/', ':listener-rule/')}/{secrets.token_hex(8)}",
            listener=listener.arn,
            priority=arguments["Priority"],
            conditions=full_conditions(arguments["Conditions"]),
            actions=actions,
            tags=tags_in(arguments),
        )
        self.book.rules.put(rule)
        self.publish(listener)
        self.settle_all()
        return {"Rules": [shown_rule(rule)]}

    def _check_priorities(self, listener_arn: str, wanted: set[int], moving: set[str]) -> None:
        for rule in self.book.rules_of(listener_arn):
            if rule.priority in wanted and rule.arn not in moving:
                raise ServiceError("PriorityInUse", f"Priority '{rule.priority}' is currently in use")

    def describe_rules(self, arguments: Arguments, context: Context) -> Reply:
        if arns := listed(arguments, "RuleArns"):
            defaults = {each.default_rule: each for each in self.book.listeners}
            chosen = [default_of(defaults[arn]) if arn in defaults else shown_rule(self.rule(arn)) for arn in arns]
        elif "ListenerArn" in arguments:
            listener = self.listener(arguments["ListenerArn"])
            chosen = [*map(shown_rule, self.book.rules_of(listener.arn)), default_of(listener)]
        else:
            raise ServiceError("ValidationError", "You must specify either listener rule ARNs or a listener ARN")
        return page(arguments, chosen, "Rules", lambda each: each)

    def modify_rule(self, arguments: Arguments, context: Context) -> Reply:
        rule = self.rule(arguments["RuleArn"])
        if arguments.get("Transforms"):
            raise ServiceError("ValidationError", "The local cloud has no transforms of requests")
        listener = self.listener(rule.listener)
        if arguments.get("Conditions"):
            check_conditions(arguments["Conditions"])
        if arguments.get("Actions"):
            rule.actions = self.checked_actions(arguments["Actions"], listener.balancer)
        if arguments.get("Conditions"):
            rule.conditions = full_conditions(arguments["Conditions"])
        self.book.rules.put(rule)
        self.publish(listener)
        self.settle_all()
        return {"Rules": [shown_rule(rule)]}

    def set_rule_priorities(self, arguments: Arguments, context: Context) -> Reply:
        wanted = {each["RuleArn"]: each["Priority"] for each in arguments["RulePriorities"]}
        rules = [self.rule(arn) for arn in wanted]
        if len({rule.listener for rule in rules}) > 1:
            raise ServiceError("ValidationError", "All rules must belong to the same listener")
        if len(set(wanted.values())) < len(wanted):
            raise ServiceError("ValidationError", "Priorities must be unique")
        self._check_priorities(rules[0].listener, set(wanted.values()), set(wanted))
        for rule in rules:
            rule.priority = wanted[rule.arn]
            self.book.rules.put(rule)
        self.publish(self.listener(rules[0].listener))
        return {"Rules": [shown_rule(rule) for rule in rules]}

    def delete_rule(self, arguments: Arguments, context: Context) -> Reply:
        rule = self.rule(arguments["RuleArn"])
        self.book.rules.drop(rule.arn)
        self.publish(self.listener(rule.listener))
        self.settle_all()
        return {}

    # Actions

    def checked_actions(self, actions: Sequence[Document], balancer_arn: str) -> list[Document]:
        """Actions with their configuration written out, as AWS answers them. Raises ServiceError for what cannot be."""
        if len(actions) != 1 or actions[0]["Type"] not in FINAL:
            raise ServiceError(
                "InvalidLoadBalancerAction",
                "The local cloud takes exactly one action, of type forward, fixed-response or redirect",
            )
        action = dict(actions[0])
        if action["Type"] == "forward":
            return [self._forward(action, balancer_arn)]
        if FINAL[action["Type"]] not in action:
            raise ServiceError(
                "ValidationError", f"{FINAL[action['Type']]} must be specified for a '{action['Type']}' action"
            )
        return [action]

    def _forward(self, action: dict[str, Any], balancer_arn: str) -> Document:
        weights = groups_in(action)
        if not weights:
            raise ServiceError("ValidationError", "A target group ARN must be specified for a 'forward' action")
        if len(weights) > 5 or any(not 0 <= weight <= 999 for weight in weights.values()):
            raise ServiceError("ValidationError", "A forward action takes 1 to 5 target groups with weights of 0 to 999")
        sticky = {"Enabled": False} | action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
        if sticky["Enabled"]:
            raise ServiceError("ValidationError", "The local cloud has no stickiness of target groups")
        if not 1 <= sticky.get("DurationSeconds", 1) <= MOST_STICKY_S:
            words = f"Target group stickiness duration must be between 1 and {MOST_STICKY_S} seconds"
            raise ServiceError("ValidationError", words)
        for arn in weights:
            self.group(arn)
            if set(self.book.balancers_of(arn)) - {balancer_arn}:
                raise ServiceError(
                    "TargetGroupAssociationLimit",
                    f"The following target groups cannot be associated with more than one load balancer: {arn}",
                )
        listed = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
        single = {"TargetGroupArn": next(iter(weights))} if len(weights) == 1 else {}
        configuration = {"TargetGroups": listed, "TargetGroupStickinessConfig": sticky}
        order = {"Order": action["Order"]} if "Order" in action else {}
        return {"Type": "forward", **single, **order, "ForwardConfig": configuration}


def full_conditions(conditions: Sequence[Document]) -> list[Document]:
    """Conditions as AWS answers them: host names and paths in both of their spellings."""
    full: list[Document] = []
    for condition in conditions:
        field, values = condition["Field"], values_of(condition)
        configuration = dict(condition.get(CONFIGURATIONS[field], {})) | {"Values": values}
        both = {"Values": values} if field in ("host-header", "path-pattern") else {}
        full.append({"Field": field, **both, CONFIGURATIONS[field]: configuration})
    return full


def shown_listener(listener: Listener) -> Document:
    return {
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.balancer,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "DefaultActions": listener.actions,
    }


def shown_rule(rule: Rule) -> Document:
    return {
        "RuleArn": rule.arn,
        "Priority": str(rule.priority),
        "Conditions": rule.conditions,
        "Actions": rule.actions,
        "IsDefault": False,
    }


def default_of(listener: Listener) -> Document:
    """The rule that answers when no other does."""
    return {
        "RuleArn": listener.default_rule,
        "Priority": "default",
        "Conditions": [],
        "Actions": listener.actions,
        "IsDefault": True,
    }
