"""Durable file primitives: atomic replacement, directory sync, data sync."""

import os
from pathlib import Path

# macOS has no fdatasync; its fsync is the nearest thing.
datasync = getattr(os, "fdatasync", os.fsync)


def sync_directory(directory: Path) -> None:
    """Make created, renamed and removed names in `directory` durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, content: bytes, *, durable: bool) -> None:
    """Replace `path` in one step, so that a reader finds the old or the new content and nothing between.

    Raises:
        OSError: the old content is then still there.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)
