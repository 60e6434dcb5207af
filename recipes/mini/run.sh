#!/usr/bin/env bash
# Encoders, reranker, QuIP and QAMAT of the small size, from the public data sets: about seven hours on two cores.
# Each step resumes where it was interrupted. The folder of the data sets may be given, where it is not data/.
set -euo pipefail
# glibc hands large blocks back to the system after each use; keeping them makes a training step 15 % faster
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592
for recipe in 1-reader ship-reader 5-ask 6-encoder ship-encoder \
    7-reranker ship-reranker \
    quip/1-questions quip/2-label quip/3-quip quip/4-concat ship-quip \
    qamat/1-remember qamat/2-reader ship-qamat qamat/3-hops qamat/4-compose; do
    quipu train "recipes/mini/$recipe.toml" --data "${1:-data}"
done
