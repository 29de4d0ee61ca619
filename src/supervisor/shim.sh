# One instance of one service, from its start to the last byte of its log. POSIX sh; one process of it per instance
# stays alive beside the service, in a session of its own, and owes nothing to the server that started it.
#
# Working directory: the instance directory (0700). The server has put `run` there, which defines two functions:
# `enter` (go to the service's directory) and `launch` (its umask, its environment, exec of its command).
# Standard input is /dev/null; standard output and error are `shim.log`, for this script's own complaints.
# The command is in no argument and the service's variables are in no environment of this script: `pkill -f` aimed at
# the service does not hit the shim, and the service's PATH or LD_PRELOAD does not reach the tools used here.
#
# What it leaves in the directory is the contract with the server, whoever fulfils it:
#   claim    made with O_EXCL by the shim, first of all, or by a server that decides that nothing shall start
#   pid      the same, by the process that becomes the service, last thing before it does
#   exit     the command's status as a shell sees it (128 + n for signal n)
#   drained  "1" once all output has been read and written (or counted as lost); "1 alone" once, besides, a shim that is
#            a subreaper has no child left
#   stdout.lost, stderr.lost   bytes (at least) that were still unwritten and uncounted in `gaps` at the end
# and beside each log `<log>.gaps`: lines "offset bytes", after `bytes` (at least; 0: a writer was killed, at most what
# it held in memory is missing) were lost at `offset`; blank lines mean nothing.
# `exit`, `drained` and `*.lost` are 32 bytes: blanks from the start, later a value with a full stop in byte 31.
#
# Every line stands in a function and the last line makes the only call: a shell reads its script as it runs, and this
# way has read all of it before it starts.

supervise() {
  umask 077
  trap '' HUP INT QUIT TERM                 # the writers inherit this: no signal meant for others ends them
  claim claim
  for record in exit drained stdout.lost stderr.lost; do
    printf '%-31s\n' '' >"$record" || exit 74   # space for the outcome is taken now: the disk may be full then
  done
  # 666: a service that changes its user may open /dev/stderr again; the directory's mode keeps all others out.
  mkfifo -m 666 in out err || exit 74
  exec 3<>out 4<>err                        # opening a FIFO for both never waits for a partner
  exec 5<out 6<err 7>out 8>err 3>&- 4>&-    # 5, 6: a dead writer is no broken pipe for the service; 7, 8: no end of file yet
  case $WORKSPACE_RUNTIME_STDIN in
    NULL) exec 9</dev/null ;;
    *) exec 9<>in ;;                        # never input, never an end: whoever holds it can write it
  esac
  rm -f in out err &
  # `exec` in a subshell, not a redirected call: a shell keeps copies of the descriptors that a redirected call
  # replaces, and a copy of a write end would hide the end of file.
  ( exec 3<&5 5<&- 6<&- 7>&- 8>&- 9<&-; keep stdout ) & stdout_keeper=$!
  ( exec 3<&6 5<&- 6<&- 7>&- 8>&- 9<&-; keep stderr ) & stderr_keeper=$!
  trap : HUP INT QUIT TERM                  # caught, not ignored: what is ignored the service would inherit
  # In the foreground: a shell without job control starts what it puts in the background with SIGINT and SIGQUIT ignored.
  ( exec <&9 5<&- 6<&- 9<&-; in_new_session become )
  status=$?
  exec 7>&- 8>&- 9<&-
  put exit "$status"
  finish "$stdout_keeper" stdout 5
  finish "$stderr_keeper" stderr 6
  put drained 1
  await_adopted_children
  exit 0
}

# Becomes the service. Nothing after `claim` can fail but the exec itself; whatever fails before leaves no `pid`.
become() {
  umask 077
  instance=$PWD
  . ./run
  enter || exit 126
  [ -z "$WORKSPACE_RUNTIME_CGROUP" ] || echo 0 >"$WORKSPACE_RUNTIME_CGROUP/cgroup.procs" || exit 75
  { echo 0 >/proc/self/oom_score_adj; } 2>/dev/null  # the server may have been given another
  ulimit -S -n 1024 2>/dev/null             # Node raises its own, and a child inherits it
  claim "$instance/pid"
  launch
}

# in_new_session MODE: runs this script again as the leader of another session, in the same process.
in_new_session() {
  if command -v setsid >/dev/null; then
    exec setsid "$WORKSPACE_RUNTIME_SH" "$0" "$1"
  fi
  exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' "$WORKSPACE_RUNTIME_SH" "$0" "$1"
}

# claim FILE: O_EXCL decides between us and a server that wants this instance never to start.
claim() {
  set -C
  read -r stat </proc/self/stat 2>/dev/null || stat="$$ "
  printf '%s\n' "$stat" >"$1" || exit 75
  set +C
}

# put RECORD VALUE: in place, which takes no space on most file systems; on the others waits for some.
put() {
  until printf '%-30s.\n' "$2" 1<>"$1"; do
    [ -f "$1" ] || return                   # the directory was deleted: nobody will read this
    sleep 1
  done
}

# keep STREAM [AFTER_KILL]: appends descriptor 3 to the stream's log until the end of file. Whatever stops the writing (no
# space, quota, a file too large, a killed cat), the service's output goes on being read. AFTER_KILL: in place of a keeper
# that was killed; its cat may have died with what it had just read, and on a busy machine it reads on its way out.
keep() {
  trap '' HUP INT QUIT TERM PIPE XFSZ       # XFSZ ignored makes "file too large" an error like the others
  log=$WORKSPACE_RUNTIME_LOGS/$1.log
  lost=0
  [ -z "$2" ] || note_gap
  while cat <&3 >>"$log"; ended=$?; [ "$ended" -ne 0 ]; do
    [ "$ended" -gt 128 ] || drop            # a killed cat says nothing against the disk
    until note_gap || [ "$ended" -eq 0 ]; do drop; done
    [ "$ended" -ne 0 ] || break
  done
  [ "$lost" -eq 0 ] || put "$1.lost" "$lost"
}

# drop: reads descriptor 3 for a second and counts it in `lost`. `ended` is 0 if that was the end of file.
drop() {
  bytes=0
  ended=1
  eval "$(
    {
      { cat <&3 & reader=$!
        sleep 1
        runs_cat "$reader" && kill -9 "$reader"
        wait "$reader"
        echo "ended=$?" >&9
      } | { count=$(wc -c); echo "bytes=$((count))" >&9; }
    } 9>&1 2>/dev/null
  )"
  lost=$((lost + bytes))
}

# runs_cat PID: the shell reaps a reader that ended by itself, and then its number may be another's.
runs_cat() {
  [ -d /proc/self ] || return 0
  read -r _ name _ <"/proc/$1/stat" || return 1
  case $name in "(cat)" | "(busybox)" | "(sh)") return 0 ;; esac
  return 1
}

# note_gap: the newline before it heals a line that a full disk tore.
note_gap() {
  set -- $(ls -ln "$log" 2>/dev/null)
  printf '\n%s %s\n' "${5:-0}" "$lost" >>"$log.gaps" && lost=0
}

# finish KEEPER STREAM DESCRIPTOR: waits for the keeper; if it was killed, does the rest of its work here, but only
# after whoever else still reads (its orphaned cat, a keeper that the server put in) is done: one reader keeps the order.
finish() {
  wait "$1" && return
  while read_elsewhere "$3"; do sleep 1; done
  case $3 in
    5) ( exec 3<&5 5<&- 6<&-; keep "$2" after_kill ) ;;
    6) ( exec 3<&6 5<&- 6<&-; keep "$2" after_kill ) ;;
  esac
}

# read_elsewhere DESCRIPTOR: a keeper reads from 3, its cat from 0.
read_elsewhere() {
  for descriptor in /proc/[0-9]*/fd/[03]; do
    [ "$descriptor" -ef "/proc/$$/fd/$1" ] && return 0
  done
  return 1
}

# await_adopted_children: orphans of the service's tree become children of a shim that is a subreaper. While it lives
# they can be found, so it stays until there are none.
await_adopted_children() {
  [ -n "$WORKSPACE_RUNTIME_SUBREAPER" ] || return
  children=/proc/$$/task/$$/children
  [ -r "$children" ] || return
  quiet=0
  while [ "$quiet" -lt 5 ]; do
    child=
    read -r child _ <"$children"
    quiet=$((quiet + 1))
    [ -z "$child" ] || { quiet=0; sleep 1; }
  done
  put drained '1 alone'
}

main() {
  case $1 in
    '') supervise ;;
    become) become ;;
    keep) umask 077; exec 3<&0 </dev/null; keep "$2" after_kill ;;  # in place of a killed keeper; the pipe is standard input
  esac
}

main "$@"; exit
