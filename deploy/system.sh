#!/bin/bash
# Install Debian's packages that are missing; `system.sh python` prints the Python to use instead.
set -euo pipefail

python() {
    local each
    # Debian's own first: it is optimised (PGO, LTO), and a third faster than one built with the defaults
    for each in /usr/bin/python3.11 /usr/bin/python3 python3.11 python3.12 python3.13 python3; do
        if "$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$each"
            return
        fi
    done
    echo "setup: Python 3.11 or later was not found on PATH" >&2
    exit 2
}

if [ "${1:-}" = python ]; then
    python
    exit
fi

missing=()
command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || missing+=(maven)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v kcat >/dev/null || missing+=(kcat)
# the folds are compiled (agents/compiled.py)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
[ -e "$("$(python)" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || missing+=(python3-dev)
# venv without ensurepip (Debian's python3 alone) cannot make an environment
[ -e .venv/installed ] || "$(python)" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "setup: install ${missing[*]}, or run as root or with sudo" >&2; exit 2; }
    root=(sudo)
fi
echo "setup: Debian packages: ${missing[*]}"
install() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
# a list of packages that is missing or old is fetched once; what it says then is final
install 2>/dev/null || { "${root[@]}" apt-get update -qq; install; }
