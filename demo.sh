#!/usr/bin/env bash
# The whole pipeline in miniature, offline: prompts -> stories -> tokens -> training -> completions -> scores -> app.
# Usage: demo.sh [FOLDER] [app options]; with NO_APP=1 it ends before the app.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-demo}
python=${PYTHON:-.venv/bin/python}
languages="hindi marathi bangla english"
mkdir -p "$out"

# words -> prompts -> stories: the offline storyteller is a story grammar, not an LLM
for language in $languages; do
  $python -m datagen stories $language --complexity 2+ --count 1000 --seed 0 --provider storyteller \
    --journal "$out/$language.sqlite"
  $python -m datagen export "$out/$language.sqlite" --out "$out/dataset/$language" --format jsonl
done

# stories -> tokens
$python trainer/prepare.py --dataset "$out/dataset" --tokenizer train:2048 --out "$out/tokens"

# tokens -> checkpoint -> a stock Hugging Face model folder
$python -m accelerate.commands.launch trainer/train.py trainer/configs/demo.yaml --data "$out/tokens" --out "$out/run"
$python trainer/export.py "$out/run" --out "$out/models/demo" $(printf -- '--language %s ' $languages)

# openings -> completions -> scores: the quick check is a heuristic, not a judge
for language in $languages; do
  head -n 10 "languages/$language/openings.txt" > "$out/openings-$language.txt"
  $python trainer/sample.py --model "$out/models/demo" --openings "$out/openings-$language.txt" --language $language \
    --count 3 --out "$out/completions-$language.jsonl"
done
$python -m evaluation quick "$out"/completions-*.jsonl

[ -n "${NO_APP:-}" ] || exec $python app.py --models "$out/models" "${@:2}"
