"""Make ``.env`` from ``.env.example`` with a random secret wherever one is required: ``python deploy/make_env.py``.

Needs nothing but Python, because it runs before anything is installed.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_REQUIRED = re.compile(r"^([A-Z][A-Z0-9_]*)=$")


def filled(example: str) -> str:
    """Return ``example`` with every required (empty) variable set to a new secret that needs no quoting anywhere."""
    return "".join(_fill(line) for line in example.splitlines(keepends=True))


def _fill(line: str) -> str:
    match = _REQUIRED.match(line.rstrip("\n"))
    if match is None:
        return line
    # Airflow's Fernet key is exactly 32 bytes in padded base64.
    fernet = match[1].endswith("FERNET_KEY")
    secret = base64.urlsafe_b64encode(os.urandom(32)).decode() if fernet else secrets.token_hex(24)
    return f"{match[1]}={secret}\n"


def main(root: Path = ROOT) -> int:
    """Write ``.env``, readable for its owner only; refuse to replace one, because the volumes know its secrets."""
    target = root / ".env"
    text = filled((root / ".env.example").read_text(encoding="utf-8"))
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stderr.write(f"{target} is there already; the databases were made with its secrets. Nothing was changed.\n")
        return 2
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    sys.stdout.write(f"wrote {target} with new secrets; keep a copy where backups are kept\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
