# Steps of a gate: each is timed, the account is printed at the end, and a watchdog ends what takes too long. To be sourced.
# shellcheck shell=bash

STEPS=""
STEP=""
STEP_BEGAN=0
GATE_BEGAN=$SECONDS
CHILD=""
WATCHDOG=""
# What the tests have cost so far (tests/support/account.py writes it all the time).
export SHOP_TEST_ACCOUNT="${SHOP_TEST_ACCOUNT:-$(mktemp)}"

# Jobs are process groups of their own, so that one can be ended with all it started.
set -m

# step NAME COMMAND...: run it; its failure ends the gate.
step() {
    STEP="$1"
    STEP_BEGAN=$SECONDS
    shift
    printf '\n=== %s (%s)\n' "$STEP" "$(date -u +%H:%M:%S)"
    # In the background, because bash heeds no signal while it waits for a command in the foreground.
    "$@" &
    CHILD=$!
    local code=0
    wait "$CHILD" || code=$?
    CHILD=""
    note "$code"
    [ "$code" = 0 ] || exit "$code"
}

note() {
    local verdict=""
    [ "$1" = 0 ] || verdict="  FAILED ($1)"
    STEPS="$STEPS$(printf '%7d s  %s%s' $((SECONDS - STEP_BEGAN)) "$STEP" "$verdict")"$'\n'
    STEP=""
}

# watchdog SECONDS: after that time, say what was going on, and fail.
watchdog() {
    local limit="$1" gate=$$
    trap "too_late $limit" USR1
    (
        sleep "$limit"
        kill -USR1 "$gate"
    ) &
    WATCHDOG=$!
}

too_late() {
    printf '\n=== the gate has taken %s seconds, more than it may; it was at "%s"\n' "$1" "$STEP" >&2
    cat "$SHOP_TEST_ACCOUNT" >&2 || true
    note 124
    exit 124
}

# What the gate wants done at every end.
afterwards() { :; }

# What every end of the gate does: end what still runs, print what each step took.
finish() {
    local code=$?
    trap - EXIT USR1 INT TERM
    for group in $CHILD $WATCHDOG; do
        kill -TERM -- "-$group" 2>/dev/null || true
    done
    [ -z "$STEP" ] || note "$code"
    afterwards
    printf '\n=== what each step took\n%s%7d s  the gate, exit code %d\n' "$STEPS" $((SECONDS - GATE_BEGAN)) "$code"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
