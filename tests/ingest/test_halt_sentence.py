"""The sentence of a halt has an example's reason, but nothing that the reason quotes of a message."""

from __future__ import annotations

from collections import deque

import pytest

from shop_platform.events.decode import ContractViolation, ErrorClass
from shop_platform.ingest.breaker import BurstBreaker, DeadLetterBurstError
from shop_platform.ingest.dead import dead_letter
from tests.support.messages import Stored


def test_a_halt_quotes_nothing_of_a_message():
    violation = ContractViolation(
        ErrorClass.DATA_INVALID, "`customer_id` must be an identifier; it is 'eva@shop.example'"
    )
    letter = dead_letter(Stored("shop.web", 0, 1, b"{}"), violation, [])
    breaker = BurstBreaker(None, least=0, share=0.1)  # type: ignore[arg-type]  # it remembers nothing
    breaker._window["shop.web"] = deque()
    with pytest.raises(DeadLetterBurstError) as caught:
        breaker._judge(letter.topic, 1, 1, [letter])
    assert "eva" not in str(caught.value)
    assert "`customer_id` must be an identifier (partition" in str(caught.value)
