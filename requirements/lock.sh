#!/usr/bin/env bash
# Writes run.lock and dev.lock anew from run.in and dev.in. Needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "$0")"
options=(--generate-hashes --no-emit-index-url --no-strip-extras --no-header --python-version 3.11 --quiet)
uv pip compile "${options[@]}" --allow-unsafe run.in -o run.lock
uv pip compile "${options[@]}" --allow-unsafe -c run.lock dev.in -o dev.lock
