"""Every token once an epoch, any position by arithmetic, ranks without overlap."""

import json

import numpy as np
import pytest

from backend.errors import UserError
from tests.trainer.small_runs import stories
from trainer.data import IGNORED, Rows, pack

BOS, EOS = 0, 1


def write_documents(folder, lengths, dtype="<u2"):
    """Documents of distinct tokens: bos, tokens that count up, eos."""
    parts, number = [], 2
    for length in lengths:
        parts += [BOS, *range(number, number + length - 2), EOS]
        number += length - 2
    data = np.array(parts, np.dtype(dtype))
    for split in ("train", "val"):
        data.tofile(folder / f"{split}.bin")
    meta = {"bos_id": BOS, "eos_id": EOS, "vocab_size": number, "dtype": dtype}
    (folder / "meta.json").write_text(json.dumps(meta), "utf-8")
    return data


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(3, 40, 300).tolist()


def learnt(rows, positions):
    """The targets that are learnt at these positions."""
    targets = np.concatenate([rows.batch(position, 1)[1].numpy().ravel() for position in positions])
    return targets[targets != IGNORED]


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_every_token_is_learnt_once_an_epoch(epoch, lengths, tmp_path):
    data = write_documents(tmp_path, lengths)
    rows = Rows(tmp_path, "train", 64)
    targets = learnt(rows, range(epoch * rows.count, (epoch + 1) * rows.count))
    assert sorted(targets) == sorted(data[data != BOS])


@pytest.mark.parametrize("epoch", [0, 3])
def test_windows_see_each_token_once_an_epoch_too(epoch, lengths, tmp_path):
    data = write_documents(tmp_path, lengths)
    rows = Rows(tmp_path, "train", 64, whole_documents=False)
    targets = learnt(rows, range(epoch * rows.count, (epoch + 1) * rows.count))
    assert len(targets) == rows.count * 64 <= len(data)
    distinct = targets[(targets != BOS) & (targets != EOS)]
    assert len(set(distinct)) == len(distinct)
    assert len(data) - len(targets) <= 64


def test_each_epoch_has_another_order_and_each_seed_too(lengths, tmp_path):
    write_documents(tmp_path, lengths)
    rows, other = Rows(tmp_path, "train", 64, seed=0), Rows(tmp_path, "train", 64, seed=1)
    first, second = (rows.batch(epoch * rows.count, rows.count)[0] for epoch in (0, 1))
    assert not first.equal(second)
    assert not first.equal(other.batch(0, other.count)[0])
    assert first.equal(Rows(tmp_path, "train", 64, seed=0).batch(0, rows.count)[0])


def test_any_position_is_the_same_however_it_is_reached(lengths, tmp_path):
    write_documents(tmp_path, lengths)
    walked, jumped = Rows(tmp_path, "train", 64), Rows(tmp_path, "train", 64)
    position = 2 * walked.count + 7
    for at in range(position):
        walked.batch(at, 1)
    for ours, theirs in zip(walked.batch(position, 4), jumped.batch(position, 4), strict=True):
        assert ours.equal(theirs)


def test_ranks_share_an_epoch_without_overlap(lengths, tmp_path):
    data = write_documents(tmp_path, lengths)
    rows = Rows(tmp_path, "train", 64)
    # As train.py deals them out: micro-step after micro-step, in each rank after rank, batches of two.
    whole = rows.count // 4 * 4
    ranks = [
        learnt(rows, [p for at in range(rank, whole // 2, 2) for p in (2 * at, 2 * at + 1)]) for rank in (0, 1)
    ]
    told = [set(part) - {EOS} for part in ranks]
    assert not told[0] & told[1]
    rest = set(learnt(rows, range(whole, rows.count))) - {EOS}
    assert told[0] | told[1] | rest == set(data.tolist()) - {BOS, EOS}


def test_attention_and_targets_end_with_a_story(lengths, tmp_path):
    write_documents(tmp_path, lengths)
    rows = Rows(tmp_path, "train", 64)
    ids, targets, documents = rows.batch(0, rows.count)
    assert ids.shape == targets.shape == documents.shape == (rows.count, 64)
    assert (targets != BOS).all()
    for row in range(rows.count):
        begins = ((ids[row] == BOS) & (targets[row] != IGNORED)).nonzero().ravel().tolist()
        assert [int(documents[row, at]) for at in begins] == list(range(len(begins)))


def test_stories_longer_than_a_row_are_cut_into_pieces_and_nothing_is_lost(tmp_path):
    data = write_documents(tmp_path, [500, 5, 64, 65, 66, 130])
    rows = Rows(tmp_path, "train", 64)
    targets = learnt(rows, range(rows.count))
    # The first token of a later piece has nothing before it and is no target.
    pieces = sum(-(-length // 65) - 1 for length in (500, 5, 64, 65, 66, 130))
    assert len(targets) == (data != BOS).sum() - pieces


def test_rows_are_filled_nearly_to_the_brim():
    lengths = np.random.default_rng(1).integers(50, 300, 5000)
    packed, bounds = pack(lengths, 513)
    assert sorted(packed) == list(range(5000))
    sums = np.add.reduceat(lengths[packed], bounds[:-1])
    assert sums.max() <= 513
    assert lengths.sum() / (len(sums) * 513) > 0.97


def test_large_vocabularies_are_read_as_they_were_written(tmp_path):
    data = write_documents(tmp_path, [20] * 30, dtype="<u4")
    rows = Rows(tmp_path, "train", 19)
    assert sorted(learnt(rows, range(rows.count))) == sorted(data[data != BOS])


def test_bos_that_is_also_eos_parts_the_stories(tmp_path):
    data = np.array([0, 5, 6, 0, 0, 7, 8, 9, 0, 0, 3, 0], "<u2")
    for split in ("train", "val"):
        data.tofile(tmp_path / f"{split}.bin")
    (tmp_path / "meta.json").write_text(json.dumps({"bos_id": 0, "eos_id": 0, "vocab_size": 10, "dtype": "<u2"}))
    rows = Rows(tmp_path, "train", 5)
    assert sorted(learnt(rows, range(rows.count))) == [0, 0, 0, 3, 5, 6, 7, 8, 9]


def test_too_little_text_is_told(tmp_path):
    write_documents(tmp_path, [5])
    with pytest.raises(UserError, match="give more text"):
        Rows(tmp_path, "train", 64, whole_documents=False)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("train.bin", b"", r"train\.bin has 0 bytes, which are no tokens of 2 bytes each; make it anew"),
        ("train.bin", b"abc", r"train\.bin has 3 bytes, which are no tokens of 2 bytes each; make it anew"),
        ("meta.json", b'{"bos_id"', r"meta\.json is damaged; make it anew"),
    ],
)
def test_files_that_are_cut_off_are_told(file, content, says, tmp_path):
    write_documents(tmp_path, [5])
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=says):
        Rows(tmp_path, "train", 64)


def test_the_tokens_of_prepare_hold_every_story(tokens, corpus):
    from backend.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(tokens / "tokenizer")
    meta = json.loads((tokens / "meta.json").read_text("utf-8"))
    told = []
    for split in ("train", "val"):
        data = np.fromfile(tokens / f"{split}.bin", meta["dtype"])
        assert len(data) == meta[f"{split}_tokens"]
        begins = np.flatnonzero(data == meta["bos_id"])
        assert len(begins) == meta[f"{split}_documents"]
        for part in np.split(data, begins)[1:]:
            assert part[-1] == meta["eos_id"]
            told.append(tokenizer.decode(part.tolist()))
        assert sum(len(text.encode()) for text in told[-len(begins) :]) == meta[f"{split}_bytes"]
    assert sorted(told) == sorted(stories(400))
