#!/bin/sh
# Runs two commands side by side, and shows one after the other: beside.sh FIRST SECOND [ARGUMENT ...]
# FIRST is a line for the shell, shown as it goes. What SECOND says waits in a pipe until FIRST is done, and is shown
# from then on as it comes. Fails if either fails; neither is ended because the other failed.
set -u

first=$1
shift
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

{
    "$@" 2>&1
    echo $? >"$results/second"
} | {
    sh -c "$first" </dev/null 2>&1
    echo $? >"$results/first"
    cat
}

if [ "$(cat "$results/first" 2>/dev/null)" != 0 ]; then
    echo "Failed, see above: $first" >&2
    exit 1
fi
exit "$(cat "$results/second" 2>/dev/null || echo 1)" # nothing was noted: it was ended from outside
