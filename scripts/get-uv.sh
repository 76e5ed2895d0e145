#!/bin/sh
# Prints the path of a pinned uv, installing it below .tools/ when it is not there. Needs Python with pip or venv.
set -eu
version="0.13.9"
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tool="$root/.tools/uv-$version"

find_uv() { for candidate in "$tool/bin/uv" "$tool/venv/bin/uv"; do [ -x "$candidate" ] && echo "$candidate" && return 0; done; return 1; }

find_uv && exit 0

# Any Python that uv's package supports will do here: uv looks for the project's own.
python=""
for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    wanted=$(sed -n 's/^requires-python = "\(.*\)"/\1/p' "$root/pyproject.toml")
    found=$( (python3 --version || python --version) 2>/dev/null || echo "no Python")
    echo "Python $wanted is missing: PATH has $found. Install one (Debian, Ubuntu: apt-get install python3-venv; Fedora: dnf install python3) and call make again." >&2
    exit 2
fi

mkdir -p "$tool"
log="$tool/install.log"
# --target works without root, without venv and on a system Python that is 'externally managed'.
if "$python" -m pip --version >/dev/null 2>&1 &&
    "$python" -m pip install --quiet --disable-pip-version-check --no-input --target "$tool" "uv==$version" >"$log" 2>&1; then
    :
elif "$python" -m venv "$tool/venv" >>"$log" 2>&1 &&
    "$tool/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "uv==$version" >>"$log" 2>&1; then
    :
elif command -v uv >/dev/null 2>&1; then
    command -v uv
    exit 0
else
    cat "$log" >&2
    echo "uv could not be installed: Python needs pip or venv (on Debian: apt-get install python3-venv), and the package index must be reachable." >&2
    exit 2
fi
find_uv && exit 0
if "$python" -c 'import os, sys; sys.exit(not os.statvfs(sys.argv[1]).f_flag & os.ST_NOEXEC)' "$tool"; then
    echo "No program can be run from $root: its file system is mounted noexec. Clone to another one." >&2
else
    echo "uv was installed below $tool, but cannot be executed there." >&2
fi
exit 2
