"""Tiny models of the kinds that translate, taught a few sentences by heart in seconds: NLLB's and Marian's."""

import json
from pathlib import Path

import sentencepiece
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    NllbTokenizer,
)

_STEPS = 150
PAIRS = {
    "One day Mia went to the garden.": "एक दिन मिया बगीचे में गई।",
    "She saw a small red bird there.": "उसने वहाँ एक छोटी लाल चिड़िया देखी।",
    '"Why are you sad?" asked Mia.': "“तुम उदास क्यों हो?” मिया ने पूछा।",
    "The bird had lost its home.": "चिड़िया का घर खो गया था।",
    "They looked for it together.": "वे दोनों मिलकर उसे ढूँढने लगे।",
    "In the evening they found the nest.": "शाम को उन्हें घोंसला मिल गया।",
    "The bird sang a happy song.": "चिड़िया ने खुशी का गीत गाया।",
    "Mia went home with a smile.": "मिया मुस्कुराती हुई घर लौट आई।",
}
_SIZE = {"d_model": 64, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128}
_SIZE |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 128, "init_std": 0.1}
_SIZE |= dict.fromkeys(("dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop"), 0.0)


def make_nllb(folder: Path) -> None:
    """A folder like that of facebook/nllb-200-distilled-600M, English to Hindi."""
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106
    bpe.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False)
    bpe.train_from_iterator([*PAIRS, *PAIRS.values()], trainer)
    bpe.save(str(folder / "bpe.json"))
    model = bpe.model
    files = model.save(str(folder))
    model = models.BPE.read_file(*files)
    for file in (*files, folder / "bpe.json"):
        Path(file).unlink()
    tokenizer = NllbTokenizer(
        vocab=model[0], merges=model[1], additional_special_tokens=["eng_Latn", "hin_Deva"], src_lang="eng_Latn", tgt_lang="hin_Deva"
    )
    config = M2M100Config(vocab_size=len(tokenizer), decoder_start_token_id=2, **_SIZE)
    _teach(M2M100ForConditionalGeneration, config, tokenizer, folder)


def make_marian(folder: Path) -> None:
    """A folder like that of Helsinki-NLP/opus-mt-en-hi."""
    vocabulary = {}
    for name, texts in (("source", list(PAIRS)), ("target", list(PAIRS.values()))):
        (folder / f"{name}.txt").write_text("\n".join(texts), "utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / f"{name}.txt"), model_prefix=str(folder / name), vocab_size=150, hard_vocab_limit=False, character_coverage=1.0,
            minloglevel=2,
        )  # fmt: skip
        (folder / f"{name}.model").rename(folder / f"{name}.spm")
        spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{name}.spm"))
        for piece in ("</s>", "<unk>", *(spm.id_to_piece(i) for i in range(3, len(spm)))):
            vocabulary.setdefault(piece, len(vocabulary))
        (folder / f"{name}.txt").unlink()
        (folder / f"{name}.vocab").unlink()
    vocabulary["<pad>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    tokenizer = MarianTokenizer(str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"))
    pad = vocabulary["<pad>"]
    config = MarianConfig(
        vocab_size=len(vocabulary), pad_token_id=pad, eos_token_id=0, forced_eos_token_id=0, decoder_start_token_id=pad, scale_embedding=True,
        static_position_embeddings=True, **_SIZE,
    )  # fmt: skip
    _teach(MarianMTModel, config, tokenizer, folder)


def _teach(kind, config, tokenizer, folder: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # with so small a model, several wait for one another
    model = kind(config)
    batch = tokenizer(list(PAIRS), text_target=list(PAIRS.values()), padding=True, return_tensors="pt")
    batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=_STEPS)
    for _ in range(_STEPS):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    assert loss < 0.05, f"the model has not learnt its few sentences: {loss}"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
