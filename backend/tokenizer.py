"""Every tokenizer behind one small interface: ours, any of Hugging Face's with bos and eos, tiktoken's GPT-2."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers

from backend.errors import UserError
from backend.files import writing

BOS, EOS = "<bos>", "<eos>"

# GPT-4o's pre-tokenizer: unlike GPT-2's it keeps combining marks with their letters, without which every
# Devanagari and Bangla word would be cut at each vowel sign. llama.cpp knows it by the name "gpt-4o".
PRE_TOKENIZER = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# A consonant cluster of an Indic script, or any letter, with as few of its vowel signs as need be.
_VIRAMAS, _NUKTAS = "्্੍્୍்్್്", "़়਼઼଼಼"
_CLUSTER = rf"(?:\p{{L}}[{_NUKTAS}]?[{_VIRAMAS}])*\p{{L}}[{_NUKTAS}]?[\p{{M}}&&[^{_VIRAMAS}{_NUKTAS}]]*?"
WHOLE_WORDS = 150  # the most frequent words, known by heart, are not parted from their endings
_COUNTED = 5_000  # texts that they are found in


class Tokenizer:
    """A `tokenizers.Tokenizer` with its bos and eos. Texts are brought to NFC; encoding adds no special token.

    With `add_prefix_space` an opening's first word that falls to pieces is encoded as the same word within a story is.
    """

    def __init__(self, backend: tokenizers.Tokenizer, bos: str, eos: str, name: str, add_prefix_space: bool = False):
        self.backend, self.bos, self.eos, self.name = backend, bos, eos, name
        self.add_prefix_space = add_prefix_space
        self.bos_id, self.eos_id = backend.token_to_id(bos), backend.token_to_id(eos)
        if self.bos_id is None or self.eos_id is None:
            raise UserError(f"The tokenizer '{name}' does not know its bos '{bos}' or eos '{eos}'; choose one that has both.")
        backend.encode_special_tokens = True  # "<eos>" in a text is text

    @property
    def vocab_size(self) -> int:
        """One more than the highest token id, special tokens included."""
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without bos and eos."""
        return self.backend.encode(unicodedata.normalize("NFC", text), add_special_tokens=False).ids

    def encode_opening(self, opening: str) -> list[int]:
        """bos and the token ids of an opening that a model is to go on from."""
        opening = opening.rstrip()
        space = " " if self.begins_with_space(opening.split(" ")[0]) else ""
        return [self.bos_id, *self.encode(space + opening)]

    def encode_after(self, opening: str, text: str) -> tuple[list[int], list[int]]:
        """bos and the ids of an opening, and those of a text that follows; without an opening the text begins as one does."""
        given = self.encode_opening(opening)
        return given, self.encode(text) if len(given) > 1 else self.encode_opening(text)[1:]

    def begins_with_space(self, first: str) -> bool:
        """Whether a text with this first word is read as if a space stood before it (`add_prefix_space`).

        A word that falls to pieces at the beginning is another one to the model when it is to name it again; one that
        stays whole, as "A", would with the space be taken for a name.
        """
        return self.add_prefix_space and first[:1].isalnum() and len(self.encode(first)) > 1

    def encode_batch(self, texts: Sequence[str], dropout: float = 0.0) -> list[list[int]]:
        """Token ids of many texts, on all cores; with `dropout` a share of a BPE's merges is left out at random.

        Raises UserError for dropout with a tokenizer that is no BPE.
        """
        if dropout and not isinstance(self.backend.model, models.BPE):
            raise UserError(f"BPE-dropout needs a BPE, and the tokenizer '{self.name}' is none; leave --dropout out.")
        texts = [unicodedata.normalize("NFC", text) for text in texts]
        if dropout:
            self.backend.model.dropout = dropout
        try:
            return [encoding.ids for encoding in self.backend.encode_batch_fast(texts, add_special_tokens=False)]
        finally:
            if dropout:
                self.backend.model.dropout = None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids; special tokens are left out."""
        return self.backend.decode(list(ids), skip_special_tokens=True)

    def save(self, folder: Path | str) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, which transformers loads as they are.

        There a text begins with bos, as in training.
        """
        folder = Path(folder)
        with writing(folder / "tokenizer.json") as file:
            file.write(self._beginning_with_bos().to_str(pretty=False))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": self.bos,
            "eos_token": self.eos,
            "add_bos_token": True,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1_000_000,
        }
        if self.add_prefix_space:
            config["add_prefix_space"] = True
        with writing(folder / "tokenizer_config.json") as file:
            json.dump(config, file, ensure_ascii=False, indent=2)


    def _beginning_with_bos(self) -> tokenizers.Tokenizer:
        if self.backend.encode("a").ids[:1] == [self.bos_id]:
            return self.backend
        copy = tokenizers.Tokenizer.from_str(self.backend.to_str())
        bos = processors.TemplateProcessing(
            single=f"{self.bos} $A", pair=f"{self.bos} $A {self.bos} $B", special_tokens=[(self.bos, self.bos_id)]
        )
        copy.post_processor = processors.Sequence([copy.post_processor, bos]) if copy.post_processor else bos
        return copy


def train_tokenizer(texts: Iterable[str], vocab_size: int = 8192, endings: str = "") -> Tokenizer:
    """A byte-level BPE (every text can be encoded, nothing is unknown) with `<bos>` and `<eos>` as ids 0 and 1.

    `endings` is a regex of what a language writes onto its nouns. No token then reaches over the seam, so that an
    unknown name keeps its pieces whatever ending it has: शंख, शंख|ाने, शंख|ाच्या. Raises UserError where it is no regex.
    """
    texts = (unicodedata.normalize("NFC", text) for text in texts)
    words = pre_tokenizers.Split(Regex(PRE_TOKENIZER), behavior="isolated")
    steps = [words]
    if endings:
        first = list(islice(texts, _COUNTED))
        texts = chain(first, texts)
        steps.append(_before_endings(endings, _frequent(first, words)))
    backend = tokenizers.Tokenizer(models.BPE())
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return Tokenizer(backend, BOS, EOS, f"bpe-{backend.get_vocab_size()}", add_prefix_space=True)


def _before_endings(endings: str, whole: Sequence[str]) -> pre_tokenizers.Split:
    """Parts a word into the shortest stem of two clusters or more, and an ending."""
    lead = r"[^\p{L}\p{M}\p{N}]?"
    stay = rf"(?!{lead}(?:{'|'.join(whole)})\z)" if whole else ""
    pattern = rf"\A{stay}{lead}(?:{_CLUSTER}){{2,}}?(?=(?:{endings})\z)"
    try:
        return pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    except Exception as error:  # the library raises no narrower one
        raise UserError(f"The endings '{endings}' are no regular expression ({error}); mend them.") from None


def _frequent(texts: Sequence[str], split: pre_tokenizers.Split) -> list[str]:
    """The most frequent words, without the space or quotation mark before them."""
    pieces = chain.from_iterable(split.pre_tokenize_str(text) for text in texts)
    counts = Counter(piece if _is_letters(piece[0]) else piece[1:] for piece, _ in pieces)
    return list(islice((word for word, _ in counts.most_common() if word and _is_letters(word)), WHOLE_WORDS))


def _is_letters(text: str) -> bool:
    return all(unicodedata.category(character)[0] in "LM" for character in text)


def load_tokenizer(spec: str | Path) -> Tokenizer:
    """A tokenizer by folder, `tokenizer.json`, Hub id, or `tiktoken:gpt2`.

    Raises UserError when it cannot be had, or has no bos and eos.
    """
    spec = str(spec)
    if spec.startswith("tiktoken:"):
        return _from_tiktoken(spec)
    path = Path(spec)
    if path.is_file():
        path = path.parent
    if not path.is_dir():
        path = _download(spec)
    if (path / "tokenizer.json").exists():
        backend = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
        config = _config_of(path)
        bos, eos = _special_tokens(config, spec)
        return Tokenizer(backend, bos, eos, spec, add_prefix_space=_asks_for_a_space(backend, config))
    return _from_transformers(path, spec)


def _download(spec: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["tokenizer*", "*.model", "special_tokens_map.json", "vocab*", "merges.txt", "config.json"]
    try:
        return Path(snapshot_download(spec, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"The tokenizer '{spec}' is neither a folder here nor could it be fetched from the Hub "
            f"({type(error).__name__}); check the name, the network and, for a gated one, HF_TOKEN."
        ) from None


def _config_of(path: Path) -> dict:
    found = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (path / name).exists():
            found |= {key: value for key, value in json.loads((path / name).read_text("utf-8")).items() if value}
    return found


def _asks_for_a_space(backend: tokenizers.Tokenizer, config: dict) -> bool:
    """Whether the space that the folder asks for is still to be added: a tokenizer of another kind adds it by itself."""
    return config.get("add_prefix_space") is True and backend.encode("a", add_special_tokens=False).tokens[:1] == ["a"]


def _special_tokens(config: dict, spec: str) -> tuple[str, str]:
    tokens = []
    for key in ("bos_token", "eos_token"):
        token = config.get(key)
        token = token.get("content") if isinstance(token, dict) else token
        if not token:
            raise UserError(
                f"The tokenizer '{spec}' has no {key}, and stories are stored as <bos> story <eos>; "
                f"choose one that has it, or set {key} in its tokenizer_config.json."
            )
        tokens.append(token)
    return tokens[0], tokens[1]


def _from_transformers(path: Path, spec: str) -> Tokenizer:
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(path)
        backend, bos, eos = loaded.backend_tokenizer, loaded.bos_token, loaded.eos_token
    except (ValueError, OSError, AttributeError, ImportError) as error:
        raise UserError(f"The tokenizer '{spec}' could not be read ({(str(error).strip() or type(error).__name__).splitlines()[0]}); give a folder with tokenizer.json.") from None
    if not (bos and eos):
        raise UserError(f"The tokenizer '{spec}' has no bos or eos token, and stories need both; choose another.")
    return Tokenizer(backend, bos, eos, spec)


def _from_tiktoken(spec: str) -> Tokenizer:
    """tiktoken's ranks as a `tokenizers` model, so that saving and serving need no tiktoken; bos = eos = <|endoftext|>."""
    import requests
    import tiktoken
    from transformers.convert_slow_tokenizer import TikTokenConverter

    name = spec.removeprefix("tiktoken:")
    try:
        encoding = tiktoken.get_encoding(name)
    except ValueError:
        raise UserError(f"tiktoken has no encoding '{name}'; it has {', '.join(tiktoken.list_encoding_names())}.") from None
    except (requests.RequestException, OSError) as error:
        raise UserError(
            f"tiktoken's file for '{name}' could not be fetched ({type(error).__name__}); go online once, "
            "or put it in the folder that TIKTOKEN_CACHE_DIR names."
        ) from None
    converter = TikTokenConverter(pattern=encoding._pat_str)
    converter.load_tiktoken_bpe = lambda _: encoding._mergeable_ranks
    vocab, merges = converter.extract_vocab_merges_from_model(name)
    backend = tokenizers.Tokenizer(models.BPE(vocab, merges, fuse_unk=False, ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(encoding._pat_str), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(sorted(encoding._special_tokens, key=encoding._special_tokens.get))
    return Tokenizer(backend, "<|endoftext|>", "<|endoftext|>", spec)
