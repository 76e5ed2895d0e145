"""What every request handler works on."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from .coordinator import GroupCoordinator
from .store import Store

NODE_ID: Final = 1
NO_TIME: Final = dt.timedelta(0)
NO_AUTHORIZED_OPERATIONS: Final = -(2**31)


@dataclass(frozen=True, slots=True)
class BrokerContext:
    """The state of one running broker; `auto_create_partitions` 0 means that topics are not created on first use."""

    store: Store
    groups: GroupCoordinator
    auto_create_partitions: int = 0
