#!/bin/sh
# Prints the path of a pinned uv, installing it below .tools/ when it is not there. Needs Python with pip or venv.
set -eu
version="0.13.9"
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tool="$root/.tools/uv-$version"

find_uv() { for candidate in "$tool/bin/uv" "$tool/venv/bin/uv"; do [ -x "$candidate" ] && echo "$candidate" && return 0; done; return 1; }

find_uv && exit 0

python=""
for candidate in python3.13 python3.12 python3.11 python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Shop Platform needs Python 3.11 or newer, and none was found on PATH." >&2
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
find_uv
