#!/bin/sh
# likewise run, then likewise monitor, for cron: says nothing unless somebody should look.
#
#     run_and_monitor.sh FOLDER
#
# FOLDER has job.yaml. What the commands say goes to run.txt, monitor.txt and, errors, to run.log
# there. Exit code: 0 done, 1 failed, 2 bad input, 3 an alarm. After 1 (Milvus away, another run at
# work) it tries again, TRIES times in all, PAUSE seconds apart; bad input stays bad.
set -u

if [ $# -ne 1 ] || ! cd "$1"; then
    echo "usage: run_and_monitor.sh FOLDER" >&2
    exit 2
fi

attempt() { # OUTPUT COMMAND...: until the command ends with something else than 1
    output=$1
    shift
    left=${TRIES:-4}
    while :; do
        "$@" >"$output" 2>>run.log
        code=$?
        left=$((left - 1))
        if [ "$code" -ne 1 ] || [ "$left" -le 0 ]; then
            return "$code"
        fi
        sleep "${PAUSE:-600}"
    done
}

: >run.log
attempt run.txt likewise run --config job.yaml --out results &&
    attempt monitor.txt likewise monitor results --config job.yaml --out monitor.json
code=$?
case $code in
0) ;;
3) cat monitor.txt ;;
*) echo "likewise: exit code $code" && tail -n 20 run.log ;;
esac
exit "$code"
