#!/usr/bin/env bash
# Programs that some tests want and a bare image may lack. Those tests adapt without them, so a failure here is only told.
set -uo pipefail

missing=()
want() { command -v "$1" >/dev/null || missing+=("$2"); }
want curl curl
want perl perl-base
want ps procps
want setsid util-linux
want fallocate util-linux
want busybox busybox-static

if [ ${#missing[@]} -eq 0 ]; then
  echo "all there"
elif ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "missing and not installed (apt-get and root are needed): ${missing[*]}"
else
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; } ||
    echo "could not be installed: the tests that use them adapt"
fi
