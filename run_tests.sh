#!/usr/bin/env bash
# Sets itself up and runs the test suite. Arguments are passed to pytest: ./run_tests.sh tests/driver -k settings
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=tools/environment.sh
. tools/environment.sh
prepare_environment dev
prepare_programs

exec "$python" -m pytest "$@"
