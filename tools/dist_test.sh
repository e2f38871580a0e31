#!/usr/bin/env bash
# Test with several processes; the environment is that of dist_train.sh:
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
# CHECKPOINT may be "none" for a model with nothing to load (zero-shot CLIP).
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT|none GPUS [options of tools/test.py]" >&2
    exit 2
fi
exec bash "$(dirname "$0")/_torchrun.sh" "$3" test.py "$1" "$2" "${@:4}"
