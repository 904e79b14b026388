#!/bin/sh
# Makes sure that the browser tests find a Chromium: one that is there, else Debian's, else Playwright's own.
# Run it with the virtual environment's bin folder first on PATH.
set -eu

found() {
    for name in chromium-headless-shell chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

playwright_has_one() {
    python - <<'PYTHON'
import pathlib, sys
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not pathlib.Path(playwright.chromium.executable_path).exists())
PYTHON
}

if found || playwright_has_one; then exit 0; fi

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    # Debian has it without a frame, in which pages cost less. Without what it recommends; pages need a font.
    apt-get update -qq || true
    for package in chromium-headless-shell chromium; do
        echo "No Chromium found: installing the package $package." >&2
        if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            "$package" fonts-dejavu-core fonts-liberation >/dev/null && found; then exit 0; fi
    done
fi

echo "No Chromium found: downloading Playwright's." >&2
if playwright install chromium; then exit 0; fi

echo "No browser for the tests: install chromium or google-chrome and run again." >&2
exit 1
