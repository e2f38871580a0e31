#!/usr/bin/env bash
# Test with Slurm; the environment is that of slurm_train.sh:
#   bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options]
# CHECKPOINT may be "none" for a model with nothing to load (zero-shot CLIP).
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT|none [options]" >&2
    exit 2
fi
exec bash "$(dirname "$0")/_srun.sh" "$1" "$2" test.py "$3" "$4" "${@:5}"
