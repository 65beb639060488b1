"""A local seq2seq model as a provider: NLLB, M2M-100, mBART, Marian, T5 and whatever else CTranslate2 converts."""

import hashlib
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import ctranslate2

from backend.cache import cache_folder
from backend.errors import UserError
from backend.files import making
from backend.hub import download_model
from backend.languages import Language
from backend.llm.provider import Completion, ProviderError
from datagen.translate_codes import check_pair, language_token, stands_before_text
from datagen.translate_sentences import sentences

_FILES = ("*.bin", "*.spm", "*.txt")  # of models that are not kept as safetensors
_BATCH_TOKENS = 2048


class Seq2SeqProvider:
    """Translates sentence by sentence, those of like length together, and puts the paragraphs together again."""

    name = "seq2seq"
    endpoint = "here"
    batch_size = 32

    def __init__(self, model: str, source: Language, target: Language, beams: int = 4, weights: str = "int8", device: str = "auto"):
        """`model` is a folder or a Hub id. Raises UserError for one that is no such model or lacks a language."""
        from transformers import AutoTokenizer

        self.model, self._ends, self._beams = model, f"{source.sentence_ends}॥.", beams
        folder = Path(model) if Path(model).is_dir() else download_model(model, more=_FILES)
        if not (folder / "config.json").exists():
            raise UserError(f"{model} has no config.json, so it is no model folder; give one of transformers or CTranslate2.")
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)  # else it asks on the terminal
            vocabulary = tokenizer.get_vocab()
            codes = language_token(vocabulary, source), language_token(vocabulary, target)
            check_pair(*codes, (source, target), model)
            if codes[0] and not stands_before_text(codes[0]):
                tokenizer = AutoTokenizer.from_pretrained(folder, src_lang=codes[0].strip("_"), trust_remote_code=False)
            self._translator = ctranslate2.Translator(str(converted(folder, weights)), device=device)
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
            if _has_code_of_its_own(folder):
                raise UserError(
                    f"{model} comes with Python code of its own, as IndicTrans2 does, and code from a model folder is never run here; "
                    "give a model of NLLB, M2M-100, mBART, Marian, T5 or MADLAD, or serve this one behind --provider openai."
                ) from None
            raise UserError(f"{model} cannot be loaded as a translation model: {str(error).splitlines()[0][:300]}.") from None
        self._tokenizer, token = tokenizer, codes[1] or ""
        self._before, self._prefix = (f"{token} ", None) if token and stands_before_text(token) else ("", [token] if token else None)
        self._longest = min(_positions(folder), 512) - 16

    def complete_many(self, batch: list[list[dict]]) -> list[Completion | ProviderError]:
        """The translations of the last messages' texts, as `{"translation": …}`."""
        texts = [sentences(messages[-1]["content"], self._ends) for messages in batch]
        pieces = [[self._pieces(sentence) for sentence, _ in text] for text in texts]
        told = iter(self._translated([self._before + piece for text in pieces for sentence in text for piece in sentence]))
        answers = []
        for text, cut in zip(texts, pieces, strict=True):
            done = [list(islice(told, len(sentence))) for sentence in cut]
            joined = "".join(" ".join(part for part, _ in sentence) + gap for sentence, (_, gap) in zip(done, text, strict=True))
            ended = all(whole for sentence in done for _, whole in sentence)
            answer = json.dumps({"translation": joined}, ensure_ascii=False)
            answers.append(Completion(answer, finish_reason="stop" if ended else "length", cost=0.0))
        return answers

    def _translated(self, texts: Sequence[str]) -> list[tuple[str, bool]]:
        """For each the translation, and whether the model came to its end."""
        tokens = [self._tokenizer.convert_ids_to_tokens(ids) for ids in self._tokenizer(list(texts)).input_ids]
        results = self._translator.translate_batch(
            tokens, target_prefix=[self._prefix] * len(tokens) if self._prefix else None, beam_size=self._beams,
            max_batch_size=_BATCH_TOKENS, batch_type="tokens", max_input_length=0, max_decoding_length=self._longest, return_end_token=True,
        )  # fmt: skip
        told = []
        for result in results:
            ids = self._tokenizer.convert_tokens_to_ids(result.hypotheses[0])
            told.append((self._tokenizer.decode(ids, skip_special_tokens=True).strip(), ids[-1:] == [self._tokenizer.eos_token_id]))
        return told

    def _pieces(self, text: str) -> list[str]:
        """A sentence in pieces that the model has positions for: one, but for a very long one."""
        words = text.split()
        if len(words) < 2 or len(text) <= self._longest or len(self._tokenizer(text).input_ids) <= self._longest:
            return [text]
        middle = len(words) // 2
        return [*self._pieces(" ".join(words[:middle])), *self._pieces(" ".join(words[middle:]))]


def converted(folder: Path, weights: str) -> Path:
    """The folder as CTranslate2 has it, made at the first call and found again; safe between processes."""
    if (folder / "model.bin").exists():
        return folder
    stamp = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(folder.iterdir()) if file.is_file()]
    digest = hashlib.sha256(f"{folder.resolve()} {weights} {stamp} {ctranslate2.__version__}".encode()).hexdigest()[:32]
    path = cache_folder() / "translators" / digest
    if not path.exists():
        with making(path) as whole:
            ctranslate2.converters.TransformersConverter(str(folder)).convert(str(whole), quantization=weights)
    return path


def _has_code_of_its_own(folder: Path) -> bool:
    """Whether transformers would have to run Python files of the folder to load its model or its tokenizer."""
    files = (folder / "config.json", folder / "tokenizer_config.json")
    return any('"auto_map"' in file.read_text("utf-8") for file in files if file.exists())


def _positions(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return config.get("max_position_embeddings") or 512
