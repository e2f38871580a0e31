#!/usr/bin/env bash
# Train with several processes on one or more machines:
#   bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
# On several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
# Without a GPU the processes run on the CPU and talk over gloo.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [options of tools/train.py]" >&2
    exit 2
fi
exec bash "$(dirname "$0")/_torchrun.sh" "$2" train.py "$1" "${@:3}"
