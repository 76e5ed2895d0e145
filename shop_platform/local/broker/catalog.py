"""`meta.json`: the cluster id, the topics and the next producer id, replaced atomically at every change."""

import base64
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import StartError
from .files import replace_file

_FORMAT = 1


@dataclass(slots=True)
class Topic:
    """One topic; `log_start` holds partition -> first readable offset where records were deleted by request."""

    id: uuid.UUID
    partitions: int
    config: dict[str, str] = field(default_factory=dict)
    log_start: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Catalog:
    """Everything the broker knows besides the records."""

    cluster_id: str
    topics: dict[str, Topic] = field(default_factory=dict)
    next_producer_id: int = 1000

    @classmethod
    def new(cls) -> "Catalog":
        """An empty catalog of a new cluster."""
        return cls(cluster_id=base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))

    @classmethod
    def load(cls, path: Path) -> "Catalog":
        """Read `path`.

        Raises:
            StartError: the file is damaged or of another format.
        """
        try:
            raw = json.loads(path.read_bytes())
            if raw["format"] != _FORMAT:
                raise StartError(f"{path} has format {raw['format']}; this version reads format {_FORMAT}")
            topics = {name: _topic(entry) for name, entry in raw["topics"].items()}
            return cls(raw["cluster_id"], topics, raw["next_producer_id"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StartError(f"{path} cannot be read ({error}); restore it or start with a new folder") from error

    def save(self, path: Path) -> None:
        """Replace `path`, durably.

        Raises:
            OSError: the old file is still there.
        """
        raw = {
            "format": _FORMAT,
            "cluster_id": self.cluster_id,
            "next_producer_id": self.next_producer_id,
            "topics": {
                name: {
                    "id": str(topic.id),
                    "partitions": topic.partitions,
                    "config": topic.config,
                    "log_start": {str(p): offset for p, offset in topic.log_start.items()},
                }
                for name, topic in self.topics.items()
            },
        }
        replace_file(path, json.dumps(raw, indent=1).encode(), durable=True)


def _topic(entry: dict[str, Any]) -> Topic:
    return Topic(
        id=uuid.UUID(entry["id"]),
        partitions=entry["partitions"],
        config=entry["config"],
        log_start={int(p): offset for p, offset in entry["log_start"].items()},
    )
