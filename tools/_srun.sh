#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh share:
#   bash tools/_srun.sh PARTITION JOB_NAME SCRIPT [arguments of the script]
set -euo pipefail
GPUS_PER_NODE=${GPUS_PER_NODE:-8}

RESOURCES=()
if [ "$GPUS_PER_NODE" -gt 0 ]; then
    RESOURCES=("--gres=gpu:$GPUS_PER_NODE" "--ntasks-per-node=$GPUS_PER_NODE")
fi
# SRUN_ARGS holds several words on purpose.
# shellcheck disable=SC2086
exec srun -p "$1" \
    --job-name="$2" \
    --ntasks="${GPUS:-8}" \
    ${RESOURCES[@]+"${RESOURCES[@]}"} \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "$0")/$3" --launcher=slurm "${@:4}"
