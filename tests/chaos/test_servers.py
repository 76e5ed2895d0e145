"""SIGKILL of PostgreSQL and of the broker in the middle of the stream: they come back, and the service never left."""

from __future__ import annotations

import pytest

from tests.chaos.dose import dose
from tests.chaos.processes import eventually, get_on, has_read_everything, service
from tests.chaos.proof import prove
from tests.chaos.stream import history, producing


@pytest.mark.parametrize("which", ["postgres", "backend", "broker", "both"])
def test_sigkill_of_a_server(mortal_shop, rng, tmp_path, which):
    settings = mortal_shop.settings
    messages = history(rng, dose(2_500, 30_000))
    with service(settings, tmp_path / "service.log") as process:
        with producing(settings, messages, seconds=dose(4, 60)):
            for _ in range(dose(1, 5)):
                get_on(settings, rng.randrange(1, len(messages) // dose(2, 8)), of=len(messages))
                mortal_shop.kill(which, rng)
        eventually(lambda: has_read_everything(settings), "everything is read", 300)
        assert process.popen.poll() is None, process.tail()
    prove(settings)
