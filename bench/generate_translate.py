"""Claim: the model behind `translate --provider seq2seq` gives three times the sentences of transformers' own `generate`.

The model has the shape of a common one (M2M-100's architecture, which is NLLB's too; 512 wide, 6 layers on each side)
and random weights: what it says is nonsense and ends nowhere, so both are made to write as many tokens as the source
has. Real sentences of stories in batches of like length, the same for both; both with the threads that they choose.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import ctranslate2
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from backend.languages import load_language
from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller
from datagen.translate_model import converted
from datagen.translate_sentences import sentences

STORIES, VOCABULARY, BATCH = 40, 8000, 32
SHAPE = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
SHAPE |= {"encoder_attention_heads": 8, "decoder_attention_heads": 8}


def make_model(folder: Path, texts: list[str]):
    """The model and its tokenizer, also as a folder of transformers."""
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106
    bpe.pre_tokenizer = pre_tokenizers.Metaspace()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False))
    vocabulary, merges = models.BPE.read_file(*bpe.model.save(str(folder)))
    codes = ["eng_Latn", "hin_Deva"]
    tokenizer = transformers.NllbTokenizer(
        vocab=vocabulary, merges=merges, additional_special_tokens=codes, src_lang=codes[0], tgt_lang=codes[1]
    )
    torch.manual_seed(0)
    model = transformers.M2M100ForConditionalGeneration(
        transformers.M2M100Config(vocab_size=len(tokenizer), decoder_start_token_id=2, max_position_embeddings=512, **SHAPE)
    ).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def with_transformers(model, tokenizer, beams: int) -> Callable[[list[list[int]]], int]:
    """Translates token ids; returns how many tokens it wrote."""

    def translate(batch: list[list[int]]) -> int:
        length = len(batch[-1])
        inputs = tokenizer.pad({"input_ids": batch}, return_tensors="pt")
        with torch.inference_mode():
            told = model.generate(**inputs, num_beams=beams, min_new_tokens=length, max_new_tokens=length, do_sample=False)
        return len(batch) * (told.shape[1] - 1)

    return translate


def with_ctranslate2(folder: Path, tokenizer, beams: int, weights: str) -> Callable[[list[list[int]]], int]:
    """The same."""
    translator = ctranslate2.Translator(str(converted(folder, weights)), device="cpu")

    def translate(batch: list[list[int]]) -> int:
        length = len(batch[-1])
        tokens = [tokenizer.convert_ids_to_tokens(ids) for ids in batch]
        told = translator.translate_batch(tokens, beam_size=beams, min_decoding_length=length, max_decoding_length=length)
        return sum(len(result.hypotheses[0]) for result in told)

    return translate


def rate(translate: Callable[[list[list[int]]], int], batches: list[list[list[int]]]) -> float:
    """Sentences a second, after a batch to warm up."""
    translate(batches[0])
    begun, written = time.perf_counter(), sum(map(translate, batches))
    seconds = time.perf_counter() - begun
    wanted = sum(len(batch) * len(batch[-1]) for batch in batches)
    if abs(written - wanted) > 0.1 * wanted:
        raise SystemExit(f"{written} tokens were written, not {wanted}: the two have not done the same.")
    return sum(map(len, batches)) / seconds


@click.command()
@click.option("--stories", default=STORIES, show_default=True)
def main(stories: int) -> None:
    """Print the table and the claim."""
    teller, english = load_storyteller("english"), load_language("english")
    texts = [" ".join(teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text).split()) for p in Prompts("english").range(0, max(stories, 400))]
    parts = [sentence for text in texts[:stories] for sentence, _ in sentences(text, english.sentence_ends)]
    transformers.utils.logging.set_verbosity_error()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, tokenizer = make_model(folder, texts)
        ids = sorted(tokenizer(parts).input_ids, key=len)
        batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
        for beams in (1, 4):
            found["transformers", beams] = rate(with_transformers(model, tokenizer, beams), batches)
            for weights in ("float32", "int8"):
                found[f"CTranslate2 {weights}", beams] = rate(with_ctranslate2(folder, tokenizer, beams, weights), batches)
    print(f"{len(parts)} sentences of {sum(map(len, ids)) / len(ids):.0f} tokens | beams | sentences/s | over transformers")
    for (what, beams), figure in found.items():
        print(f"{what} | {beams} | {figure:.1f} | {figure / found['transformers', beams]:.2f}")
    ratio = found["CTranslate2 int8", 4] / found["transformers", 4]
    peers = {f"{what}, {beams} beams, sentences/s": round(figure, 1) for (what, beams), figure in found.items()}
    tell("sentences/s by CTranslate2, int8, 4 beams, over transformers", ratio, 3, ratio >= 3, peers, ("ctranslate2", "transformers", "torch"))


if __name__ == "__main__":
    main()
