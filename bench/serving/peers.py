"""Servers of small models behind one call: prompts in, so many new tokens out, drawn with top_k 15 and detokenised."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tokenizers

TEMPERATURE, TOP_K = 0.8, 15
ROOM = 512  # tokens of a prompt and its story


class Peer:
    """`tell` gives the number of new tokens. What is written to disk lies beside the model folder."""

    packages: tuple[str, ...] = ()

    def __init__(self, folder: Path, threads: int, users: int):
        self.folder, self.threads, self.users = folder, threads, users
        self.config = json.loads((folder / "config.json").read_text("utf-8"))
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

    def ids(self, prompts: list[str], length: int = 0) -> list[list[int]]:
        """bos and the tokens of each prompt, cut to `length`."""
        bos = self.config["bos_token_id"]
        encoded = self.tokenizer.encode_batch(prompts, add_special_tokens=False)
        return [[bos, *encoding.ids][: length or None] for encoding in encoded]

    def read(self, told: list) -> int:
        """Turn the new ids into text, as a server must, and count them."""
        self.tokenizer.decode_batch([list(ids) for ids in told])
        return sum(len(ids) for ids in told)

    def tell(self, prompts: list[str], tokens: int) -> int:
        """One story of each prompt, all at once."""
        raise NotImplementedError


class Ours(Peer):
    """backend/slm, as the app uses it."""

    def __init__(self, folder: Path, threads: int, users: int):
        from backend.slm.engine import Engine

        super().__init__(folder, threads, users)
        self.engine = Engine(folder, threads=threads)

    def tell(self, prompts: list[str], tokens: int) -> int:
        from backend.slm.sampling import Sampling

        sampling = Sampling(TEMPERATURE, TOP_K, min_p=0.0, max_tokens=tokens, finish_sentence=False)
        return sum(story.tokens for story in self.engine.complete_many(prompts, sampling))


class OpenVino(Peer):
    """OpenVINO GenAI's continuous batching, on a graph of the same eight-bit weights, its precision left to it."""

    packages = ("openvino-genai",)

    def __init__(self, folder: Path, threads: int, users: int):
        import openvino_genai

        super().__init__(folder, threads, users)
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs, scheduler.max_num_batched_tokens, scheduler.num_kv_blocks = users, 2048, users * ROOM // 32
        properties = {"INFERENCE_NUM_THREADS": threads}
        self.pipeline = openvino_genai.ContinuousBatchingPipeline(str(self.path()), scheduler, "CPU", properties)

    def path(self) -> Path:
        import openvino

        from backend.slm.config import read_config
        from backend.slm.weights import read_tensors, weight_files
        from bench.serving.openvino_models import build_graph

        path = self.folder.parent / f"{self.folder.name}-openvino"
        if not path.exists():
            weights = {name: tensor for file in weight_files(self.folder) for name, tensor in read_tensors(file)}
            path.mkdir()
            openvino.save_model(build_graph(weights, read_config(self.folder)), path / "openvino_model.xml", compress_to_fp16=False)
        return path

    def tell(self, prompts: list[str], tokens: int) -> int:
        import openvino
        import openvino_genai

        sampling = openvino_genai.GenerationConfig(
            max_new_tokens=tokens, ignore_eos=True, do_sample=True, temperature=TEMPERATURE, top_k=TOP_K
        )
        sampling.apply_chat_template = False
        sampling.set_eos_token_id(self.config["eos_token_id"])
        handles = [
            self.pipeline.add_request(number, openvino.Tensor(np.array([ids], np.int64)), sampling)
            for number, ids in enumerate(self.ids(prompts))
        ]
        told = [[] for _ in handles]
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()
            for handle, ids in zip(handles, told, strict=True):
                if handle.can_read():
                    ids += [token for output in handle.read().values() for token in output.generated_ids]
        return self.read(told)


class OpenVinoGguf(OpenVino):
    """OpenVINO GenAI from a Q8_0 GGUF file, the way it takes such models as it comes."""

    packages = ("openvino-genai", "gguf")

    def path(self) -> Path:
        return gguf_of(self.folder)


class Transformers(Peer):
    """transformers.generate in float32, its default on a CPU."""

    packages = ("transformers", "torch")

    def __init__(self, folder: Path, threads: int, users: int):
        import torch
        from transformers import AutoModelForCausalLM

        super().__init__(folder, threads, users)
        torch.set_num_threads(threads)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def tell(self, prompts: list[str], tokens: int) -> int:
        import torch

        ids = self.ids(prompts)
        length = min(map(len, ids))
        batch = torch.tensor([row[:length] for row in ids])
        with torch.inference_mode():
            told = self.model.generate(
                batch, attention_mask=torch.ones_like(batch), do_sample=True, temperature=TEMPERATURE, top_k=TOP_K,
                min_new_tokens=tokens, max_new_tokens=tokens,
            )  # fmt: skip
        return self.read(told[:, length:].tolist())


class CTranslate2(Peer):
    """CTranslate2 in int8."""

    packages = ("ctranslate2",)

    def __init__(self, folder: Path, threads: int, users: int):
        import ctranslate2

        super().__init__(folder, threads, users)
        path = folder.parent / f"{folder.name}-ct2"
        if not path.exists():
            ctranslate2.converters.TransformersConverter(str(folder)).convert(str(path), quantization="int8")
        self.generator = ctranslate2.Generator(str(path), compute_type="int8", inter_threads=1, intra_threads=threads)

    def tell(self, prompts: list[str], tokens: int) -> int:
        named = [[self.tokenizer.id_to_token(token) for token in ids] for ids in self.ids(prompts)]
        told = self.generator.generate_batch(
            named, max_length=tokens, min_length=tokens, include_prompt_in_result=False,
            sampling_topk=TOP_K, sampling_temperature=TEMPERATURE,
        )  # fmt: skip
        return self.read([story.sequences_ids[0] for story in told])


class LlamaCpp(Peer):
    """llama.cpp's server (xllamacpp) from a Q8_0 GGUF file, a slot for each user."""

    packages = ("xllamacpp", "gguf")

    def __init__(self, folder: Path, threads: int, users: int):
        import xllamacpp

        super().__init__(folder, threads, users)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(gguf_of(folder))
        parameters.n_parallel, parameters.n_ctx, parameters.verbosity = users, users * ROOM, -1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        self.server = xllamacpp.Server(parameters)

    def tell(self, prompts: list[str], tokens: int) -> int:
        def one(ids: list[int]) -> int:
            asked = {"prompt": ids, "max_tokens": tokens, "ignore_eos": True, "temperature": TEMPERATURE, "top_k": TOP_K}
            asked |= {"samplers": ["top_k", "temperature"], "cache_prompt": False}
            return self.server.handle_completions(asked)["usage"]["completion_tokens"]

        with ThreadPoolExecutor(len(prompts)) as pool:
            return sum(pool.map(one, self.ids(prompts)))


class OnnxRuntime(Peer):
    """ONNX Runtime GenAI in int8, from its own model builder."""

    packages = ("onnxruntime-genai",)

    def __init__(self, folder: Path, threads: int, users: int):
        import onnxruntime_genai

        super().__init__(folder, threads, users)
        self.module, path = onnxruntime_genai, folder.parent / f"{folder.name}-onnx"
        if not path.exists():
            builder = Path(onnxruntime_genai.__file__).parent / "models" / "builder.py"
            options = ["-i", str(folder), "-o", str(path), "-p", "int8", "-e", "cpu", "-c", str(path)]
            subprocess.run([sys.executable, str(builder), *options], check=True, stdout=sys.stderr)
        settings = path / "genai_config.json"
        content = json.loads(settings.read_text("utf-8"))
        content["model"]["decoder"].setdefault("session_options", {})["intra_op_num_threads"] = threads
        settings.write_text(json.dumps(content), "utf-8")
        self.model = onnxruntime_genai.Model(str(path))

    def tell(self, prompts: list[str], tokens: int) -> int:
        ids = self.ids(prompts)
        length = min(map(len, ids))
        parameters = self.module.GeneratorParams(self.model)
        whole = length + tokens
        parameters.set_search_options(
            do_sample=True, top_k=TOP_K, temperature=TEMPERATURE, batch_size=len(ids), max_length=whole, min_length=whole
        )
        generator = self.module.Generator(self.model, parameters)
        generator.append_tokens(np.array([row[:length] for row in ids], np.int32))
        while not generator.is_done():
            generator.generate_next_token()
        return self.read([generator.get_sequence(row)[length:] for row in range(len(ids))])


PEERS: dict[str, type[Peer]] = {
    "ours": Ours,
    "transformers": Transformers,
    "OpenVINO GenAI": OpenVino,
    "OpenVINO GenAI Q8_0 GGUF": OpenVinoGguf,
    "CTranslate2 int8": CTranslate2,
    "llama.cpp Q8_0": LlamaCpp,
    "ONNX Runtime GenAI int8": OnnxRuntime,
}


def gguf_of(folder: Path) -> Path:
    """The folder's Q8_0 GGUF file, written at the first call."""
    from backend.slm.gguf import write_gguf

    path = folder.parent / f"{folder.name}-Q8_0.gguf"
    if not path.exists():
        write_gguf(folder, path)
    return path
