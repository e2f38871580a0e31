#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share:
#   bash tools/_torchrun.sh GPUS SCRIPT [arguments of the script]
set -euo pipefail
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$1" \
    "$(dirname "$0")/$2" --launcher pytorch "${@:3}"
