#!/usr/bin/env bash
# The tests of the networks need torch. Install it where its CPU build is at hand; the CUDA build is several gigabytes,
# so where only that is offered those tests are skipped (make training installs it all the same).
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
pip=("$python" -m pip --disable-pip-version-check install --quiet --constraint constraints.txt)
"$python" -c 'import torch' 2>/dev/null && exit 0
plan=$("${pip[@]}" --dry-run --ignore-installed --report - torch 2>/dev/null || true)
if [[ -z $plan ]]; then
	echo "torch cannot be installed here: the tests of the networks will be skipped"
elif grep -q '"name": "nvidia' <<<"$plan"; then
	echo "only the CUDA build of torch is offered here: the tests of the networks will be skipped (make training installs it)"
else
	"${pip[@]}" torch || echo "torch could not be installed: the tests of the networks will be skipped"
fi
