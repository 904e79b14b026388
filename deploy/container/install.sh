#!/bin/sh
# What the image installs: this checkout with the versions that the tests run with, and torch's CPU build, a tenth of
# the download of the usual one for Linux. EXTRAS: of pyproject.toml, for example "hub".
set -eu
cd "$(dirname "$0")/../.."
torch="$(grep '^torch==' constraints.txt)+cpu"
constraints="$(mktemp)"
sed "s/^torch==.*/$torch/" constraints.txt > "$constraints" # which name the usual build
python -m pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    --constraint "$constraints" "$torch" ".${EXTRAS:+[$EXTRAS]}"
rm "$constraints"
