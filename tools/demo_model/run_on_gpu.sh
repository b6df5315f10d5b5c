#!/bin/sh
# Trains on this machine's GPU in a process session of its own, so that it outlives the shell that started it.
#   WORK=/tmp/demo-run TOKENIZER=path/tokenizer.json tools/demo_model/run_on_gpu.sh --minutes 13     starts
#   WORK=/tmp/demo-run tools/demo_model/run_on_gpu.sh wait SECONDS                                   follows the log
#   WORK=/tmp/demo-run OUT=folder tools/demo_model/run_on_gpu.sh parts FIRST LAST                    the weights in parts
set -eu
WORK=${WORK:-/tmp/demo-run}
here=$(cd "$(dirname "$0")/.." && pwd)
case ${1:-} in
wait)
    end=$(($(date +%s) + $2))
    while [ "$(date +%s)" -lt "$end" ] && kill -0 "$(cat "$WORK/pid")" 2>/dev/null; do sleep 1; done
    tail -n "${3:-12}" "$WORK/log.txt" | cut -c1-1500
    ;;
parts)
    [ -e "$WORK/part.00" ] || split -b 15m -d -a 2 "$WORK/model.safetensors" "$WORK/part."
    for i in $(seq "$2" "$3"); do
        part=$WORK/part.$(printf %02d "$i")
        [ ! -e "$part" ] || cp "$part" "$OUT/"
    done
    sha256sum "$WORK/model.safetensors"
    ;;
*)
    mkdir -p "$WORK"
    rm -f "$WORK"/part.*
    rm -rf "$WORK/code" # the copy that runs, whatever happens to this tree meanwhile
    cp -r "$here/demo_model" "$WORK/code-demo_model.new"
    mkdir "$WORK/code"
    mv "$WORK/code-demo_model.new" "$WORK/code/demo_model"
    cp "$TOKENIZER" "$WORK/tokenizer.json"
    cd "$WORK/code"
    TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1 setsid nohup python3 -m demo_model.train \
        --tokenizer "$WORK/tokenizer.json" --out "$WORK" "$@" >"$WORK/log.txt" 2>&1 </dev/null &
    echo $! >"$WORK/pid"
    ;;
esac
