"""Tokenizers for measuring, as they lie about: unlike one for training, such a tokenizer may lack bos and eos."""

import base64
import json
import shutil
import tempfile
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from backend.errors import UserError
from backend.tokenizer import load_tokenizer


def load_any(name: str) -> Tokenizer:
    """A tokenizer by `tokenizer.json`, its folder, a SentencePiece `.model`, Mistral's `tekken.json`, a Hub id, or tiktoken:NAME.

    Raises UserError for a file that is none of these.
    """
    path = Path(name)
    path = path / "tokenizer.json" if (path / "tokenizer.json").exists() else path
    if not path.is_file():
        return load_tokenizer(name).backend
    try:
        if ".model" in path.suffixes:
            return _from_sentencepiece(path)
        if path.name.startswith("tekken"):
            return _from_tekken(json.loads(path.read_text("utf-8")))
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the libraries raise bare Exception, and whatever a parser meets, for a bad file
        raise UserError(f"{path} is no tokenizer that can be read ({str(error)[:200]}); give one of another form.") from None


def _from_sentencepiece(path: Path) -> Tokenizer:
    """By transformers, which looks for that one name in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, Path(folder) / "tokenizer.model")
        return load_tokenizer(folder).backend


def _from_tekken(content: dict) -> Tokenizer:
    """Byte-pair ranks and a pattern; the special tokens stand before the ranks."""
    from transformers.convert_slow_tokenizer import TikTokenConverter

    config = content["config"]
    special = int(config["default_num_special_tokens"])
    ranks = {
        base64.b64decode(token["token_bytes"]): token["rank"]
        for token in content["vocab"][: int(config["default_vocab_size"]) - special]
    }
    converter = TikTokenConverter(pattern=config["pattern"])
    converter.load_tiktoken_bpe = lambda _: ranks
    vocab, merges = converter.extract_vocab_merges_from_model("tekken")
    tokenizer = Tokenizer(models.BPE(vocab, merges, fuse_unk=False, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(config["pattern"]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
