"""``shop offsets``: where every partition stands, and a person's decision when Kafka and the warehouse disagree."""

from __future__ import annotations

import getpass
import json
import socket
import sys
from typing import Annotated

import typer

from shop_platform.settings import Role, Settings, get_settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def _settings() -> Settings:
    settings = get_settings()
    from shop_platform.logs import configure_logging

    configure_logging(settings)
    return settings


@app.command("list")
def list_(json_: Json = False) -> None:
    """Show where each partition stands in the warehouse, and what waits for a decision (exit 1 if anything does)."""
    from shop_platform.ingest.halts import open_halts
    from shop_platform.warehouse.connect import connect

    with connect(_settings(), Role.INGEST) as connection:
        rows = connection.execute(
            "select topic, partition, next_offset, topic_id, incarnation, updated_at from ops.ingest_offsets"
            " where not retired order by topic, partition"
        ).fetchall()
        halts = open_halts(connection)
    if json_:
        names = ("topic", "partition", "next_offset", "topic_id", "incarnation", "updated_at")
        document = {
            "partitions": [dict(zip(names, row, strict=True)) for row in rows],
            "halts": [vars(halt) for halt in halts],
        }
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    else:
        sys.stdout.write(f"{'topic':<18} {'partition':>9} {'next offset':>12}  last moved (UTC)\n")
        for topic, partition, offset, _, _, updated in rows:
            sys.stdout.write(f"{topic:<18} {partition:>9} {offset:>12,}  {updated:%Y-%m-%d %H:%M:%S}\n")
        for halt in halts:
            sys.stdout.write(f"\nHALTED  {halt.message}\n        {halt.resolution}\n")
    if halts:
        raise typer.Exit(1)


@app.command()
def accept(
    topic: Annotated[str, typer.Argument(help="The topic, such as shop.orders.")],
    because: Annotated[str, typer.Option(help="Why; kept in ops.ingest_halts.")],
    partition: Annotated[int | None, typer.Option(help="Only this partition.", min=0)] = None,
    by: Annotated[str, typer.Option(help="Who decides; default: you, on this machine.")] = "",
    json_: Json = False,
) -> None:
    """Accept a gap, a recreated topic or a burst of dead letters, so that `shop ingest` can go on.

    What is accepted is looked up now. The decision is kept in ops.ingest_halts. Exit 1 when there is nothing to accept.
    """
    from shop_platform.ingest.decisions import accept as carry_out

    who = by or f"{getpass.getuser()}@{socket.gethostname()}"
    decisions = carry_out(_settings(), topic, partition, by=who, because=because)
    if json_:
        sys.stdout.write(json.dumps([vars(decision) for decision in decisions], indent=2) + "\n")
        return
    for decision in decisions:
        place = decision.topic if decision.partition is None else f"{decision.topic}/{decision.partition}"
        sys.stdout.write(f"accepted: {place}: {decision.done}\n")
