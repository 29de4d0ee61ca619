#!/usr/bin/env bash
# gen/ must be what the .proto files give now; compared aside, so that nothing in the tree changes.
set -uo pipefail

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh" || exit 1
if ! diff -r gen "$fresh/gen"; then
  echo "gen/ is not what proto/ gives: run 'npm run generate' and commit"
  exit 1
fi
