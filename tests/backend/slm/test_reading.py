"""What a reader says of a text is what transformers computes, and what the engine's own scores say."""

from backend.slm.engine import Engine
from tests.backend.slm.random_models import in_eight_bits

TEXT = "एक छोटी चिड़िया और एक पेड़। " * 12  # longer than the reader takes at once


def test_readings_are_the_probabilities_of_transformers(folders):
    import torch
    from transformers import AutoModelForCausalLM

    for kind in ("qwen3", "gpt2"):
        engine = Engine(folders[kind])
        ids = engine.prompt_ids(TEXT)
        assert len(ids) > 128
        model = in_eight_bits(AutoModelForCausalLM.from_pretrained(folders[kind], dtype=torch.float32))
        expected = model(torch.tensor([ids])).logits[0].log_softmax(-1).detach().numpy()
        readings = engine.read(ids, alternatives=4)
        assert [reading.id for reading in readings] == ids
        assert readings[0].log_probability is None
        for place, reading in enumerate(readings[1:]):
            row = expected[place]
            assert abs(reading.log_probability - row[reading.id]) < 0.3
            assert row.max() - row[reading.likeliest[0][0]] < 0.3
            assert [score for _, score in reading.likeliest] == sorted((s for _, s in reading.likeliest), reverse=True)
            assert reading.rank == (row > row[reading.id]).sum() or abs(row - row[reading.id]).min() < 0.3
        engine.close()


def test_reading_again_forgets_what_was_read_before(engine):
    ids = [engine.tokenizer.bos_id, *engine.tokenizer.encode(TEXT.rstrip())]
    first = engine.read(ids, alternatives=0)
    engine.read(list(reversed(ids)), alternatives=0)
    assert engine.read(ids, alternatives=0) == first
    assert [score for _, score in engine.score(TEXT.rstrip())] == [reading.log_probability for reading in first[1:]]
