#!/usr/bin/env bash
# What a release would publish: wheels and source distributions of quipu-qa and its packages of models in dist/, installed
# into an empty environment and asked. quipu's own distributions come from dist/ alone (--no-index), what they
# need from the package index. Usage: packages/release_check.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
python="$(realpath -s "${1:-python3}")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

rm -rf dist
"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet build
for folder in packages/quipu-small packages/quipu-small-lm .; do
    "$work/tools/bin/python" -m build --quiet --outdir dist "$folder"
done
largest="$(find dist -type f -size +100000000c)"
if [ -n "$largest" ]; then
    echo "an index refuses files over 100 MB: $largest" >&2
    exit 1
fi

# what the wheel of quipu-qa requires, less quipu's own distributions
"$python" -m venv "$work/new"
"$work/new/bin/python" - dist/quipu_qa-[0-9]*.whl > "$work/requirements.txt" <<'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    for line in wheel.read(name).decode().splitlines():
        if line.startswith("Requires-Dist: ") and "extra ==" not in line and not line.startswith("Requires-Dist: quipu-qa"):
            print(line.removeprefix("Requires-Dist: "))
END
"$work/new/bin/python" -m pip install --quiet --requirement "$work/requirements.txt"
# env -i: neither PIP_FIND_LINKS nor an index that a configuration names
env -i PATH="$PATH" PIP_CONFIG_FILE=/dev/null \
    "$work/new/bin/python" -m pip install --quiet --no-index --find-links "$root/dist" quipu-qa

cd "$work" # away from the checkout: what is imported is what was installed
cp "$root/examples/suez-canal.md" .
new/bin/quipu --version
new/bin/quipu build suez-canal.md -o canal.quipu
new/bin/quipu ask canal.quipu "Who obtained the concession for the canal?" | tee answer.txt
grep -q "^Ferdinand de Lesseps " answer.txt
new/bin/quipu verify canal.quipu
ls -l "$root/dist"
