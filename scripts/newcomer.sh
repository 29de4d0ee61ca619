#!/usr/bin/env bash
# What a newcomer does, from nothing: a fresh clone of HEAD, an empty home, the README's commands, then `up` on a repository.
#   scripts/newcomer.sh            all of it (the whole test suite: some minutes)
#   scripts/newcomer.sh --quick    only a few of the tests, for where the suite has just run
# Exits with 0 when each step gave what the README says, and leaves nothing behind.
set -euo pipefail

quick=false
[ "${1:-}" != --quick ] || quick=true
source_repository=$(cd "$(dirname "$0")/.." && pwd)

# The short name keeps the server's Unix socket below the 107 bytes that its path may have.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/wsr.XXXXXX")
checkout=$scratch/checkout
data=$scratch/home/.local/state/workspace-runtime
up_job=

say() { printf '\n--- newcomer: %s\n' "$*"; }
fail() { printf '\nnewcomer: FAILED: %s\n' "$*" >&2; exit 1; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# wait_until SECONDS COMMAND…: true once the command succeeds, false if it has not by then.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# A path without any node_modules/.bin, since the checkout has to bring its own Node. An empty home: no npm cache, no git identity.
clean_path=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v '/node_modules/' | paste -sd: -)
newcomer_environment=(
  env -u NODE_OPTIONS -u XDG_STATE_HOME -u XDG_CONFIG_HOME -u XDG_CACHE_HOME
  -u WORKSPACE_RUNTIME_ADDRESS -u WORKSPACE_RUNTIME_TOKEN -u WORKSPACE_RUNTIME_DATA_DIR
  HOME="$scratch/home" PATH="$clean_path" WORKSPACE_RUNTIME_LISTEN=127.0.0.1:0
)
newcomer() { "${newcomer_environment[@]}" "$@"; }
program=("$checkout/node_modules/.bin/node" "$checkout/src/main.ts")
cli() { newcomer "${program[@]}" "$@"; }
# evaluate EXPRESSION: of the JSON on standard input, called `json` there.
evaluate() { "$checkout/node_modules/.bin/node" -p "const json = JSON.parse(require('fs').readFileSync(0, 'utf8')); $1"; }

end_server() {
  local pid
  pid=$(cat "$data/server.pid" 2>/dev/null) || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  wait_until 20 gone "$pid"
}

leave_nothing() {
  local status=$?
  trap - EXIT
  if [ "$status" -ne 0 ]; then tail -n 20 "$scratch"/*.out "$scratch"/*.err 2>/dev/null >&2 || true; fi
  [ -z "$up_job" ] || kill -INT "$up_job" 2>/dev/null || true
  [ ! -e "$data/server.pid" ] || cli stop web >/dev/null 2>&1 || true
  end_server || true
  rm -rf "$scratch"
  exit "$status"
}
trap leave_nothing EXIT

say "a fresh clone and an empty home"
mkdir "$scratch/home"
git clone --quiet "$source_repository" "$checkout"
cd "$checkout"

say "npm ci && npm run demo"
newcomer sh -c 'npm ci --no-progress && npm run demo'

if $quick; then
  say "npm test, a few of them"
  newcomer npm test -- test/templates test/proto
else
  say "npm ci && npm test"
  newcomer sh -c 'npm ci --no-progress && npm test'
fi

say "a repository with a web server in it"
mkdir "$scratch/shop"
cat >"$scratch/shop/server.cjs" <<'JS'
const http = require("node:http");
const server = http.createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  response.end(`hello from ${process.cwd()}\n`);
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
JS
shop_git() { newcomer git -C "$scratch/shop" -c user.name=Newcomer -c user.email=newcomer@example.com "$@"; }
shop_git init --quiet
shop_git add .
shop_git commit --quiet -m "A shop"

say "up --issue SHOP-1 --service 'web=node server.cjs'"
set -m # as in a terminal: a background job of a script would have SIGINT ignored
"${newcomer_environment[@]}" "${program[@]}" up "$scratch/shop" --issue SHOP-1 --service 'web=node server.cjs' \
  >"$scratch/up.out" 2>"$scratch/up.err" &
up_job=$!
set +m
up_is_ready() { gone "$up_job" || grep -q 'Workspace Ready' "$scratch/up.out"; }
if ! wait_until 90 up_is_ready || gone "$up_job"; then fail "up did not get the workspace ready"; fi
cat "$scratch/up.out"

say "ps --json, and a call to the service"
cli ps --json >"$scratch/ps.out"
[ "$(evaluate 'json.services.map((s) => s.serviceName + " " + s.state).join()' <"$scratch/ps.out")" = "web SERVICE_STATE_RUNNING" ] ||
  fail "ps does not show the one service running: $(cat "$scratch/ps.out")"
pid=$(evaluate 'json.services[0].providerRef' <"$scratch/ps.out")
port=$(evaluate 'json.services[0].port ?? Object.values(json.services[0].ports)[0]' <"$scratch/ps.out")
answer=$("$checkout/node_modules/.bin/node" -e "fetch('http://127.0.0.1:$port/').then((response) => response.text()).then(console.log)")
case $answer in
  "hello from $scratch/shop/"*SHOP-1*) echo "$answer" ;;
  *) fail "the service does not answer from its worktree: $answer" ;;
esac
wait_until 10 grep -q 'GET /' "$scratch/up.out" || fail "up does not show the service's log lines"
cli health || fail "health ends with $?"

say "Ctrl-C"
kill -INT "$up_job"
wait_until 60 gone "$up_job" || fail "up goes on after Ctrl-C"
wait "$up_job" || fail "up ends with $? after Ctrl-C"
up_job=
tail -n 3 "$scratch/up.out"
gone "$pid" || fail "the service (pid $pid) lives on after its release"
[ "$(cli ps --json | evaluate 'json.services.length')" = 0 ] || fail "ps still shows a service"

say "exit codes of what goes wrong"
status=0
cli stop nothing-of-this-name >"$scratch/stop.out" 2>&1 || status=$?
[ "$status" = 1 ] || fail "stop of an unknown service ends with $status, not 1"
cli ps --no-such-flag >"$scratch/usage.out" 2>&1 || status=$?
[ "$status" = 2 ] || fail "an unknown flag ends with $status, not 2"
end_server || fail "the server does not end on SIGTERM"
cli health >"$scratch/health.out" 2>&1 && fail "health ends with 0 without a server"

say "all as the README says"
