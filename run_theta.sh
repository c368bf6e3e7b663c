#!/usr/bin/env bash
# The two-site example of the original: simulations on Theta, a CPU machine, learning on GPUs elsewhere.
# Theta was retired at the end of 2023, so its endpoints answer no more; give the ids of your own two endpoints:
#   QC_ENDPOINT=<id> ML_ENDPOINT=<id> ./run_theta.sh
# Two endpoints ask for Globus Compute. A version that has no Globus engine yet says so and starts nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=tools/environment.sh
. tools/environment.sh
prepare_environment

exec "$python" run.py \
    --campaign molecules \
    --site theta \
    --qc-endpoint "${QC_ENDPOINT:-theta-cpu-endpoint-retired}" \
    --ml-endpoint "${ML_ENDPOINT:-gpu-endpoint-retired}" \
    --redishost "${REDIS_HOST:-127.0.0.1}" \
    --num-qc-workers 8 \
    --model-count 8 \
    --search-size 250 \
    --retrain-frequency 16 \
    --molecules-per-ml-task 10000 \
    --simulate-ps-backend redis \
    --infer-ps-backend file \
    --train-ps-backend file \
    --ps-threshold 500000 \
    "$@"
