#!/usr/bin/env bash
# Runs the main job on Perlmutter, a Slurm machine, from one of its login nodes:
#   ACCOUNT=<your project> ./run_perlmutter.sh
# Look at what it would do first, job scripts included, with --dry-run. Flags are passed to run.py.
# configs/sites/perlmutter.yaml says how to adapt quality of service and nodes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=tools/environment.sh
. tools/environment.sh
require ACCOUNT 'the project that pays for the nodes'
prepare_environment

exec "$python" run.py \
    --campaign molecules \
    --site perlmutter \
    --model-count 8 \
    --search-size 4000 \
    --retrain-frequency 256 \
    --molecules-per-ml-task 20000 \
    --simulate-ps-backend redis \
    --infer-ps-backend file \
    --train-ps-backend file \
    "$@"
