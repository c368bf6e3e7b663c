#!/usr/bin/env bash
# Runs the main job on Polaris, a PBS Pro machine, from one of its login nodes:
#   ACCOUNT=<your project> ./run_polaris.sh
# Look at what it would do first, job scripts included, with --dry-run. Flags are passed to run.py.
# configs/sites/polaris.yaml says how to adapt queue, nodes and file systems.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=tools/environment.sh
. tools/environment.sh
require ACCOUNT 'the project that pays for the nodes'
prepare_environment

exec "$python" run.py \
    --campaign molecules \
    --site polaris \
    --model-count 8 \
    --search-size 2000 \
    --retrain-frequency 128 \
    --molecules-per-ml-task 20000 \
    --simulate-ps-backend redis \
    --infer-ps-backend file \
    --train-ps-backend file \
    "$@"
