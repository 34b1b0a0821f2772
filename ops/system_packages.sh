#!/usr/bin/env bash
# Which Debian packages does this machine lack for `make test`? Prints them; with --install, installs them (as root).
# Exits with 1, and the line to run, when something is missing and cannot be installed.
set -euo pipefail

python=${PYTHON:-python3}
missing=()

has_command() { command -v "$1" >/dev/null 2>&1; }
has_header() { echo "#include <$1>" | g++ -E -x c++ - >/dev/null 2>&1; }
python_is() { "$python" -c "$1" >/dev/null 2>&1; }

has_command make || missing+=(make)
has_command g++ || missing+=(g++)
has_command git || missing+=(git)
has_command node || missing+=(nodejs)
has_command npm || missing+=(npm)
has_command "$python" || missing+=(python3)
python_is 'import ensurepip, venv' || missing+=(python3-venv)
python_is 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' || missing+=(python3-dev)
has_header openssl/ssl.h || missing+=(libssl-dev)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
line="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "${1:-}" != --install ]; then
    echo "${missing[*]}"
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! has_command apt-get; then
    printf 'This machine lacks system packages. On Debian run, as root:\n\n    apt-get update && %s\n\n' "$line" >&2
    exit 1
fi
echo "Installing system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && $line; } >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    echo "This failed: apt-get update && $line" >&2
    exit 1
fi
