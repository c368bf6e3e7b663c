# Makes what the scripts of this checkout need: its Python environment, and programs that tests start.
#
#   require NAME MEANING
#   prepare_environment [EXTRA]
#   prepare_programs
#   require_programs
#
# Leaves the environment in .venv, with the versions of constraints.txt, and `python` set to its interpreter. The second
# time it only looks at a stamp. An installation that was interrupted has no stamp and is made anew.
# shellcheck shell=bash

_say() { printf '%s\n' "$*" >&2; }

_die() {
    _say "$@"
    exit 2
}

# Ends the script unless the environment has a variable: require ACCOUNT 'the project that pays'
require() {
    [ -n "${!1:-}" ] || _die "$(basename "$0"): expected $2 in $1, which is not set: $1=... ./$(basename "$0")"
}

# The first Python on the path that is new enough and can make environments.
_find_python() {
    local candidate found=''
    for candidate in python3.13 python3.12 python3.11 python3.10 python3 python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
        found=$candidate
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    if [ -n "$found" ]; then
        _die "$found is here, but it cannot make an environment: its modules venv and ensurepip are missing." \
            "On Debian and Ubuntu: apt-get install python3-venv"
    fi
    _die "Expected Python 3.10, 3.11, 3.12 or 3.13 on the path, found none. Install one and start this again."
}

# What the environment depends on: change any of it, and it is installed anew.
_fingerprint() {
    "$1" -IS - "$2" pyproject.toml constraints.txt <<'EOF'
import hashlib, os, sys
extra, *files = sys.argv[1:]
parts = [extra, sys.version, os.getcwd()]
digest = hashlib.sha256('\0'.join(parts).encode())
for name in files:
    with open(name, 'rb') as file:
        digest.update(b'\0' + file.read())
print(digest.hexdigest())
EOF
}

_stamp_of() { printf '.venv/.scoutbee-%s' "${1:-base}"; }

# Stands while pip is at work: an environment in which it is found was not finished, and cannot be trusted.
_unfinished=.venv/.unfinished

_is_ready() {
    [ -x .venv/bin/python ] && [ ! -e "$_unfinished" ] && [ -f "$(_stamp_of "$1")" ] &&
        [ "$(cat "$(_stamp_of "$1")")" = "$(_fingerprint .venv/bin/python "$1")" ]
}

# Runs a command while no other start of these scripts installs into the same environment.
_alone() {
    if command -v flock >/dev/null 2>&1; then
        (
            flock 9 || true
            "$@"
        ) 9<tools/environment.sh
    else
        "$@"
    fi
}

_make() {
    local chosen
    chosen=$(_find_python) || exit
    _say "Making an environment in .venv with $chosen."
    rm -rf .venv
    "$chosen" -m venv .venv || _die 'Making the environment failed; what went wrong stands above.'
}

_install() {
    local extra=$1 target=.
    _is_ready "$extra" && return
    if [ -e "$_unfinished" ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        _make
    fi
    [ -n "$extra" ] && target=".[$extra]"
    rm -f .venv/.scoutbee-*
    touch "$_unfinished"
    _say 'Installing the versions of constraints.txt: about 2 GB, a minute or two, only this once.'
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$target" ||
        _die 'Installing failed; what went wrong stands above. Mend it, and start this again.'
    # As pip does with what it installs, so that the first start need not.
    .venv/bin/python -m compileall -q -x '/(\.venv|runs|tests)/' . || _say 'Not all of it could be compiled.'
    _fingerprint .venv/bin/python '' >"$(_stamp_of '')"
    [ -z "$extra" ] || _fingerprint .venv/bin/python "$extra" >"$(_stamp_of "$extra")"
    rm -f "$_unfinished"
}

prepare_environment() {
    local extra=${1:-}
    _is_ready "$extra" || _alone _install "$extra" || exit
    # shellcheck disable=SC2034  # for whoever sourced this
    python=$PWD/.venv/bin/python
}

# Programs that tests start, each with the Debian package that has it: the browser of the live page, Slurm, hosts made
# of network namespaces, a Redis server that speaks TLS and its certificates. Likewise libraries: a quicker linear
# algebra for tblite.
_programs=(
    chromium:chromium
    slurmctld:slurm-wlm slurmd:slurm-wlm sbatch:slurm-wlm munged:munge
    ip:iproute2
    openssl:openssl redis-server:redis-server
)
_libraries=(libopenblas.so.0:libopenblas0-serial)

# The pairs of the above whose program or library is not here.
_missing_programs() {
    local pair libraries
    for pair in "${_programs[@]}"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s\n' "$pair"
    done
    libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true)
    for pair in "${_libraries[@]}"; do
        [[ $libraries == *"${pair%%:*} "* ]] || printf '%s\n' "$pair"
    done
}

# Installs what is missing. Where it cannot be had the tests that need it are skipped, which they say.
prepare_programs() {
    local packages
    packages=$(_missing_programs | sed 's/.*://' | sort -u | paste -sd ' ' -)
    if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        _say "Installing $packages, which tests start."
        # shellcheck disable=SC2086  # one word a package
        apt-get update -qq >/dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages >/dev/null ||
            _say 'Not all of them could be installed.'
    fi
}

# Ends the script unless every test that needs such programs can run.
require_programs() {
    local missing
    missing=$(_missing_programs | sed 's/:.*//' | paste -sd ' ' -)
    [ -z "$missing" ] || _die "Expected these programs and libraries, so that no test is skipped: $missing."
    [ "$(id -u)" = 0 ] || _die 'Expected to run as root, which the tests of sites need, so that none is skipped.'
}
