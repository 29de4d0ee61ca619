# A service whose every line can be recomputed: "<name> <pid> <n> <check>". Arguments: name, kind.
name=$1 kind=$2 n=0 limit=$(($$ % 40 + 15))

# A number of its own for each writer: its lines are counted apart.
count() {
  while :; do
    for _ in 1 2 3 4 5 6; do
      n=$((n + 1))
      echo "$name $1 $n $((n * 7919 % 100003))"
    done
    case $kind in
      crasher) [ $n -lt $limit ] || { echo "crash $name $1"; exit 7; } ;;
      short) [ $n -lt $limit ] || { echo "done $name $1"; exit 0; } ;;
    esac
    sleep 0.4
  done
}

case $kind in
  stubborn) trap '' TERM INT ;;
  failing) echo "fails $name $$" >&2; exit 3 ;;
  forker)
    # One child in the same group, one in a session of its own, which writes as well.
    (while :; do sleep 1; done) &
    setsid sh "$0" "$name-child" ticker &
    ;;
esac
echo "begin $name $$"
echo "hello $name $$" >&2
count $$
