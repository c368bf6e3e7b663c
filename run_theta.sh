#!/usr/bin/env bash
# The two-site example of the original: simulations on Theta, a CPU machine, learning on GPUs elsewhere, each behind a
# Globus Compute endpoint. Theta was retired at the end of 2023, so give the ids of two endpoints of your own:
#   QC_ENDPOINT=<id> ML_ENDPOINT=<id> ./run_theta.sh
# The endpoint that simulates reads large inputs from Redis: from a server at REDIS_HOST, or from one that is started
# here, if it reaches this machine at DRIVER_ADDRESS. The other one shares this file system.
# Flags are passed to run.py: ./run_theta.sh --search-size 20. configs/sites/theta.yaml says how to adapt the rest.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=tools/environment.sh
. tools/environment.sh
require QC_ENDPOINT 'the id of the Globus Compute endpoint that simulates'
require ML_ENDPOINT 'the id of the Globus Compute endpoint that learns'
prepare_environment

exec "$python" run.py \
    --campaign molecules \
    --site theta \
    --qc-endpoint "$QC_ENDPOINT" \
    --ml-endpoint "$ML_ENDPOINT" \
    ${REDIS_HOST:+--redishost "$REDIS_HOST"} \
    ${DRIVER_ADDRESS:+--driver-address "$DRIVER_ADDRESS"} \
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
