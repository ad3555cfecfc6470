#!/bin/bash
# Write requirements.lock anew from pyproject.toml: hashes, no index.  What is locked stays unless pyproject.toml asks for more.
set -euo pipefail
tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools
"$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --all-extras --strip-extras --no-header --no-annotate \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --output-file requirements.lock pyproject.toml "$@"
