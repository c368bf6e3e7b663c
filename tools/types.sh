#!/usr/bin/env bash
# Check types. The folders of this repository are packages of the namespace `scoutbee`, which a type checker cannot
# follow through an editable install; links that spell the namespace out show it the way.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
view=$(mktemp -d)
trap 'rm -rf "$view"' EXIT
mkdir "$view/scoutbee"
packages=()
for package in agents analysis campaigns configs contracts data driver fabric models simulation testing traces; do
    ln -s "$root/$package" "$view/scoutbee/$package"
    packages+=(-p "scoutbee.$package")
done
check() {
    python -m mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache" \
        --namespace-packages --explicit-package-bases "$@"
}
cd "$view"
check "${packages[@]}"
cd "$root/benchmarks" # scripts, which import each other by their bare names
MYPYPATH=$view check ./*.py
