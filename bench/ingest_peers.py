"""The ingestion against what a user would pick instead: the same topic on real Kafka, the same durable PostgreSQL.

Each peer's figure is ours divided by the peer's, in rows a second, the ingestion being measured right before and right
after it with two processes, as the peers may use both cores of the reference machine too, and then with one. Needs
Java, Maven and a package index; a peer that cannot be had is named and left out.
``SHOP_BENCH_PEERS=dlt,quix`` takes only these.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from bench.peers.contest import Contestant, measure, ours
from bench.peers.contestants import KEYS, prepare
from bench.peers.environments import PeerUnavailableError
from bench.peers.figures import Round, Run, row, table
from bench.peers.running import PeerFailedError
from bench.peers.stack import Stage, comparison_stage
from shop_platform.errors import ShopError

_CHOICE = "SHOP_BENCH_PEERS"
_DAYS, _SEED = 300, 7
_PROCESSES = 2
# A short run says less: it is repeated until it has taken this long, at most three times.
_ENOUGH_SECONDS, _MOST_ROUNDS = 15.0, 3


def run() -> list[dict[str, Any]]:
    """Measure every peer that can be had here; raise :class:`ShopError` when Kafka or the ingestion itself fails."""
    contestants = [found for key in _chosen() if (found := _prepared(key)) is not None]
    if not contestants:
        raise ShopError("None of the peers can be had here", "The reasons are above.", exit_code=1)
    rows = []
    with comparison_stage(days=_DAYS, seed=_SEED) as stage:
        _say(
            f"{stage.messages:,} messages, {stage.landable:,} of them JSON objects, {stage.distinct:,} distinct events"
        )
        before = _ours(stage)
        for contestant in contestants:
            try:
                rounds = _rounds(stage, contestant, before)
            except PeerFailedError as error:
                _say(f"{contestant.entry.title}: FAILED, no figure: {error}")
                continue
            before = rounds[-1].after
            rows.append(row(contestant.entry, rounds, os.getloadavg()[0]))
    sys.stderr.write("\n" + table(rows) + "\n")
    return rows


def _rounds(stage: Stage, contestant: Contestant, before: Run) -> list[Round]:
    rounds: list[Round] = []
    while len(rounds) < _MOST_ROUNDS and sum(each.peer.seconds for each in rounds) < _ENOUGH_SECONDS:
        peer = _told(stage, contestant)
        after = _ours(stage)
        rounds.append(Round(before, peer, after, _ours(stage, 1)))
        before = after
    return rounds


def _ours(stage: Stage, processes: int = _PROCESSES) -> Run:
    try:
        return _told(stage, ours(processes))
    except PeerFailedError as error:  # no peer's failure: without it there is nothing to compare with
        raise ShopError(f"The ingestion itself failed: {error.message}", exit_code=1) from error


def _told(stage: Stage, contestant: Contestant) -> Run:
    done = measure(stage, contestant)
    _say(
        f"{contestant.entry.title}: {done.rows:,} rows in {done.seconds:.1f} s = {done.rate:,.0f} rows/s,"
        f" CPU {done.cpu_seconds:.1f} s + PostgreSQL {done.server_cpu_seconds:.1f} s, load {os.getloadavg()[0]:.1f}"
    )
    return done


def _prepared(key: str) -> Contestant | None:
    try:
        return prepare(key)
    except PeerUnavailableError as error:
        _say(f"{key} cannot be had here, no figure: {error}")
        return None


def _chosen() -> tuple[str, ...]:
    wished = tuple(name.strip() for name in os.environ.get(_CHOICE, "").split(",") if name.strip())
    if unknown := sorted(set(wished) - set(KEYS)):
        raise ShopError(f"{_CHOICE} names unknown peers: {', '.join(unknown)}", f"Known are {', '.join(KEYS)}.")
    return wished or KEYS


def _say(text: str) -> None:
    sys.stderr.write(f"  {text}\n")
