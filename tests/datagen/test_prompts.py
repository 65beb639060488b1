import json
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from backend.errors import UserError
from backend.languages import language_names
from datagen.prompts import Prompts, WordSpace, prompt_from_id
from datagen.templates import COMPLEXITIES

# The paper's optimal template, from its repository's README.
SEED_TEXT = '''Write a short story in Hindi (in Devanagari script) suitable for 5-to-7-year-old children.
Use simple, easy-to-understand words and limit the story to 3-4 short paragraphs (around 200-300 words).
The story should feature a clear beginning, middle, and end. Incorporate the verb "{verb}", the noun "{noun}", and the adjective "{adjective}" naturally into the story.
The story should also integrate the conclusion/tone "{feature}" through actions and outcomes without directly stating the tone (e.g., do not use "खुश" or similar words explicitly).
Remember to only use simple words and keep the story short!

Return the output as a JSON dictionary in the following format:
{{
    "story": "your_generated_story"
}}'''


def test_every_index_of_a_small_space_is_a_different_choice():
    space = WordSpace(nouns=7, verbs=5, adjectives=3, features=4, seed=3)
    chosen = list(zip(*(column.tolist() for column in space.choose(np.arange(len(space)))), strict=True))
    assert len(space) == 7 * 5 * 3 * 4 == len(set(chosen))
    assert [space.index(*words) for words in chosen] == list(range(len(space)))


def test_the_first_prompts_are_spread_evenly_over_the_words():
    prompts = Prompts("hindi", "2", seed=0)
    nouns = Counter(prompt.noun for prompt in prompts.range(0, 40_000))
    expected = 40_000 / len(nouns)
    # Five standard deviations of a Poisson count of this mean.
    assert all(abs(count - expected) < 5 * expected**0.5 for count in nouns.values())


@pytest.mark.parametrize("language", language_names())
@pytest.mark.parametrize("complexity", COMPLEXITIES)
def test_a_prompt_says_its_words_and_is_found_by_its_id(language, complexity):
    prompt = Prompts(language, complexity, seed=1)[54321]
    for word in (prompt.noun, prompt.verb, prompt.adjective, prompt.feature):
        assert f'"{word}"' in prompt.text
    assert '"story"' in prompt.text
    assert not re.search(r"<\w+>", prompt.text)
    assert prompt_from_id(prompt.id) == prompt
    assert Prompts(language, complexity, 1).index(prompt.noun, prompt.verb, prompt.adjective, prompt.feature) == 54321


def test_complexity_2_is_the_papers_text():
    prompt = Prompts("hindi", "2")[0]
    words = {"noun": prompt.noun, "verb": prompt.verb, "adjective": prompt.adjective, "feature": prompt.feature}
    assert prompt.text == SEED_TEXT.format(**words)


def test_shards_are_disjoint_and_complete():
    prompts = Prompts("english", "2+", seed=5)
    whole = [prompt.id for prompt in prompts.shard(101)]
    parts = [[prompt.id for prompt in prompts.shard(101, shard, 4)] for shard in range(4)]
    assert sorted(whole) == sorted(id for part in parts for id in part)
    assert len(set(whole)) == 101


@pytest.mark.parametrize("prompt_id", ["hindi", "hindi-2+-0-x", "klingon-2+-0-1", "hindi-9-0-1", "hindi-2+-0-999999999999"])
def test_an_id_that_names_no_prompt_is_told(prompt_id):
    with pytest.raises(UserError):
        prompt_from_id(prompt_id)


def test_the_command_writes_json_lines_and_refuses_a_bad_shard(tmp_path):
    out = tmp_path / "prompts.jsonl"
    command = [sys.executable, "-m", "datagen", "prompts", "hindi", "--complexity", "2+", "--count", "10"]
    subprocess.run([*command, "--shard", "1/4", "--out", out], check=True, capture_output=True)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == ["hindi-2+-0-1", "hindi-2+-0-5", "hindi-2+-0-9"]
    refused = subprocess.run([*command, "--shard", "4/4"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: '4/4' is not a shard")
    assert "Traceback" not in refused.stderr
