#!/usr/bin/env bash
# A lock file with a registry's address works for whoever reaches that registry alone.
set -uo pipefail

if grep -n '"resolved"' package-lock.json | head -n 5 | grep .; then
  echo "package-lock.json names where packages were downloaded from: run 'npm install' with this repository's .npmrc"
  exit 1
fi
