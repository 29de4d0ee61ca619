# shellcheck shell=bash
# Sourced by .ci/run: step HEADING COMMAND… runs one check under a heading with its time; finish tells what failed and exits. The caller
# defines closing, which prints what ends the output.

failed_steps=()

step() {
  local heading=$1 started=$SECONDS status=0
  shift
  printf '\n=== %s\n' "$heading"
  "$@" </dev/null || status=$?
  if [ "$status" -eq 0 ]; then
    printf '=== ok: %s (%d s)\n' "$heading" $((SECONDS - started))
  else
    printf '=== FAILED: %s (exit code %d, %d s)\n    ran: %s\n' "$heading" "$status" $((SECONDS - started)) "$*"
    failed_steps+=("$heading")
  fi
  return "$status"
}

finish() {
  printf '\n=== %d s in all' "$SECONDS"
  if [ ${#failed_steps[@]} -eq 0 ]; then
    printf ', all ok\n'
  else
    printf ', %d failed:\n' ${#failed_steps[@]}
    printf '    %s\n' "${failed_steps[@]}"
  fi
  closing
  [ ${#failed_steps[@]} -eq 0 ]
  exit
}
