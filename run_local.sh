#!/usr/bin/env bash
# Sets itself up and runs the main job on this machine. Flags are passed to run.py: ./run_local.sh --search-size 20
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=tools/environment.sh
. tools/environment.sh
prepare_environment

exec "$python" run.py --campaign molecules --site local "$@"
