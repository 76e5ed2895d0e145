#!/bin/sh
# Runs the pinned uv: with a cache that can be written, and a plain line when the project's Python is missing.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
uv=$(sh "$root/scripts/get-uv.sh")

cache=$("$uv" cache dir 2>/dev/null || true)
if [ -z "$cache" ] || ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
    export UV_CACHE_DIR="$root/.tools/cache" # a read-only home, or none
fi

wanted=$(sed -n 's/^requires-python = "\(.*\)"/\1/p' "$root/pyproject.toml")
if ! "$uv" python find --system --no-project "$wanted" >/dev/null 2>&1 &&
    ! "$uv" python install --no-bin 3.13 >"$root/.tools/python.log" 2>&1; then
    found=$( (python3 --version || python --version) 2>/dev/null || echo "no Python")
    echo "Python $wanted is missing: PATH has $found, and uv could not download one ($root/.tools/python.log). Install one (Debian, Ubuntu: apt-get install python3.13-venv; Fedora: dnf install python3.13) and call make again." >&2
    exit 2
fi
exec "$uv" "$@"
