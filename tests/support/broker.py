"""A development broker that throws nothing away: tests send what is years old by Kafka's own time as well."""

from __future__ import annotations

from pathlib import Path

from shop_platform.local.broker.process import BrokerProcess, start_broker_process


def start_broker_that_keeps(folder: Path, port: int = 0) -> BrokerProcess:
    """Start a broker whose first look at what is past its topics' retention comes after every test.

    It would come five minutes after the start, in the middle of whichever test is running then.
    """
    return start_broker_process(folder, port, arguments=["--retention-check-seconds", "86400"])
