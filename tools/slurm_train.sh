#!/usr/bin/env bash
# Train with Slurm:
#   bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options]
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS come from the environment;
# GPUS is the number of processes. GPUS_PER_NODE=0 asks for no GPU at all.
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [options]" >&2
    exit 2
fi
exec bash "$(dirname "$0")/_srun.sh" "$1" "$2" train.py \
    "$3" --work-dir="$4" "${@:5}"
