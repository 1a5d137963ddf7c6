"""`trimtab events`: what happened to a deployment, newest last, as its ledger has it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from trimtab.cli import interrupts, words
from trimtab.cli.output import ago, clipped, output_option, print_data, print_one, print_table, talk


@click.command(name="events")
@click.argument("name", shell_complete=words.deployments)
@words.environment_option()
@click.option("--since", help="Only what happened within this time, such as 2h or 30m.")
@click.option("--follow", "--watch", "-f", is_flag=True, help="Go on with new ones, until interrupted.")
@output_option
def command(name: str, environment: str, since: str | None, follow: bool, output: str) -> int:
    """Show what happened to the deployment NAME ([namespace/]name), newest last: the last 100 events.

    An event is told once its effect was seen; what was announced and not seen yet stands last, as "announced". Events are
    kept in the deployment's ledger and go with it. With --follow, -o json prints one object a line.

    \b
    Example: trimtab events vision/digits --since 1h
             trimtab events vision/digits --follow
             trimtab events vision/digits -o json | jq -r '.[] | select(.reason == "Repaired") | .message'
    """
    from trimtab.cli.context import environment_named, ledger_of, session
    from trimtab.core.quantities import duration_s

    with session(environment_named(environment)) as found:
        ledger = ledger_of(found, name)
        after = found.clock.now() - timedelta(seconds=duration_s(since)) if since else None
        rows = [row for row in event_rows(ledger) if after is None or _time(row["lastSeen"]) >= after]
        if not follow:
            _show(rows, output)
            return 0
        full, shown = f"{ledger.namespace}/{ledger.name}", list[dict[str, Any]]()
        while True:
            _print(fresh(shown, rows), output)
            shown = rows
            interrupts.check()
            time.sleep(1.0)  # the pace of a person's eye: a ledger has nothing to await
            ledger = found.ledgers.load(ledger.namespace, ledger.name).value
            if ledger is None:
                talk(f"{full} is gone")
                return 0
            rows = event_rows(ledger)


def event_rows(ledger: Any) -> list[dict[str, Any]]:
    """Events as JSON values, then what was announced; the keys are documented in docs/reference/output.md."""
    from trimtab.model.events import EVENTS

    rows = [
        {
            "type": EVENTS[each.reason].type,
            "reason": each.reason,
            "node": each.node,
            "message": each.message,
            "count": each.count,
            "firstSeen": each.first,
            "lastSeen": each.last,
            "announced": False,
        }
        for each in ledger.events
    ]
    return rows + [
        {
            "type": "Normal",
            "reason": each.reason,
            "node": each.node.partition("#")[0],
            "message": each.message,
            "count": 0,
            "firstSeen": each.at,
            "lastSeen": each.at,
            "announced": True,
        }
        for each in ledger.acts
        if each.verb != "end"
    ]


def fresh(shown: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a follower has not seen: events that are new or happened again; what is only announced comes when it is so."""
    return [row for row in rows if row not in shown and not row["announced"]]


def _show(rows: Sequence[dict[str, Any]], output: str) -> None:
    if output != "table":
        print_data(list(rows), output)
    elif rows:
        now = datetime.now(UTC)
        cells = [(_age(row, now), row["type"], _reason(row), row["node"] or "-", row["message"]) for row in rows]
        print_table(("LAST SEEN", "TYPE", "REASON", "NODE", "MESSAGE"), cells)
    else:
        talk("nothing happened in that time")


def _print(rows: Sequence[dict[str, Any]], output: str) -> None:
    for row in rows:
        if output == "table":
            click.echo(clipped(f"{row['lastSeen']}  {row['reason']:<20}{row['node'] or '-'}  {row['message']}"))
        else:
            print_one(row, output)


def _age(row: dict[str, Any], now: datetime) -> str:
    """ "3m", or "3m (x4 over 2h)" for what happened more than once."""
    last = ago(row["lastSeen"], now)
    return f"{last} (x{row['count']} over {ago(row['firstSeen'], now)})" if row["count"] > 1 else last


def _reason(row: dict[str, Any]) -> str:
    return f"({row['reason']} announced)" if row["announced"] else row["reason"]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
