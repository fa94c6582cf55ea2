#!/bin/bash
# Chromium and its driver for tests/systems/test_report_browser.py: installs Debian's packages where they are missing (needs root).
set -euo pipefail
command -v chromium >/dev/null && command -v chromedriver >/dev/null && exit 0
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium chromium-driver >/dev/null
