"""The gradient bank on disk: pieces, interruptions, bad pools, and every way to make it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from pool_of_words import Done, gradient_params, run_stage, write_pool, write_responses
from power import ANY, Power
from safetensors.torch import load_file, save_file

from harness.data.rows import PreferencePair, Prompt, Response, Score
from harness.data.tokens import Encoded
from harness.errors import HarnessError
from harness.methods.candidates import Candidates, make_candidates
from harness.methods.clustering import Matrix
from harness.methods.features import Gradients
from harness.models.chat import encode
from harness.models.load import load_policy
from harness.models.logprobs import sequence_logprobs
from harness.plan.draw import plain
from harness.recipe.schema import Training
from harness.stages import adapter, gradients, logprobs, pairs, warmup
from harness.stages.bank import read_bank, read_features
from harness.store.columns import Columns
from harness.store.formats import read_json, read_matrix, read_rows, write_rows

LOSS = {"kind": "dpo", "beta": 0.3}
TRAINING = plain(Training(steps=6, pairs_per_step=4, learning_rate=1e-2, lora_rank=4, max_length=64))
ROW_TOLERANCE = 1e-3
"""Of a row's length: fp16 rounds each number by at most 2^-11 of it, to one side or the other."""


@pytest.fixture
def pool(tiny_base: Path, tmp_path: Path) -> dict[str, Path]:
    return {"base_model": tiny_base, **write_pool(tmp_path / "pool")}


def encoded(pool: dict[str, Path]) -> list[Encoded]:
    policy = load_policy(pool["base_model"])
    text = {row.id: row.text for row in read_rows(pool["prompts"] / "prompts.jsonl", Prompt)}
    return [
        encode(policy.tokenizer, text[row.prompt_id], row.text, row.finished)
        for row in read_rows(pool["responses"] / "responses.jsonl", Response)
    ]


def candidates_of(pool: dict[str, Path]) -> Candidates:
    rows = read_rows(pool["responses"] / "responses.jsonl", Response)
    scores = [row.score for row in read_rows(pool["scores"] / "scores.jsonl", Score)]
    ids = list(dict.fromkeys(row.prompt_id for row in rows))
    return make_candidates([ids.index(row.prompt_id) for row in rows], [row.text for row in rows], scores)


def row_errors(found: Gradients, plain: Gradients) -> Matrix:
    one, two = np.asarray(found, np.float32), np.asarray(plain, np.float32)
    errors: Matrix = np.linalg.norm(one - two, axis=1) / np.linalg.norm(two, axis=1)
    return errors


def test_what_a_bank_holds(pool: dict[str, Path], tmp_path: Path) -> None:
    """Log-probabilities of the base model, token counts, and at most 2 dim + 32 bytes for each response."""
    done = run_stage(tmp_path / "a", gradients.run, gradient_params(dim=512), pool)
    bank, rows = read_bank(done.folder), encoded(pool)
    assert bank.gradients.shape == (48, 512)
    assert bank.gradients.dtype == np.float16
    assert isinstance(bank.gradients, np.memmap)
    assert bank.lengths.tolist() == [len(row.response) for row in rows]
    expected = sequence_logprobs(load_policy(pool["base_model"]), rows)
    np.testing.assert_allclose(bank.logprobs, expected, rtol=1e-5)
    headers = 128 * 4
    arrays = sum(path.stat().st_size for path in done.folder.glob("*.npy")) - headers
    assert arrays <= 48 * (2 * 512 + 32)
    assert {path.name for path in done.folder.iterdir()} == {
        "gradients.npy", "lengths.npy", "logprobs.npy", "manifest.json", "norms.npy", "result.json"
    }  # fmt: skip


@pytest.mark.parametrize(("batch_size", "piece"), [(1, 1000), (5, 1), (64, 17)])
def test_neither_batches_nor_pieces_show(
    pool: dict[str, Path], tmp_path: Path, batch_size: int, piece: int
) -> None:
    plain = run_stage(tmp_path / "plain", gradients.run, gradient_params(), pool)
    make = partial(gradients.make, batch_size=batch_size, piece=piece)
    other = run_stage(tmp_path / "other", make, gradient_params(), pool)
    one, two = read_bank(plain.folder), read_bank(other.folder)
    assert row_errors(two.gradients, one.gradients).max() < ROW_TOLERANCE
    np.testing.assert_allclose(two.logprobs, one.logprobs, rtol=1e-5)
    np.testing.assert_allclose(two.norms, one.norms, rtol=1e-5)
    assert two.lengths.tolist() == one.lengths.tolist()
    assert other.cost.flops == plain.cost.flops


KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
from harness.methods import gradients as methods
from harness.stages import gradients
from harness.store.columns import Columns
sys.path.insert(0, sys.argv[1])
from pool_of_words import gradient_params, run_stage
write, pieces = Columns.write, []
def counted(*words):
    if len(pieces) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*words)
    pieces.append(words)
Columns.write = counted
inputs = dict(zip(("base_model", "prompts", "responses", "scores"), map(Path, sys.argv[3:])))
run_stage(Path(sys.argv[2]), partial(gradients.make, piece=12), gradient_params(), inputs)
"""


def recording(made: list[str], most: int | None = None) -> Callable[..., None]:
    """`Columns.write`, which notes what it wrote, and after so many pieces has the power go."""
    write = Columns.write

    def recorded(columns: Columns, piece: str, *rest: Any) -> None:
        if len(made) == most:
            raise PowerLost
        write(columns, piece, *rest)
        made.append(piece)

    return recorded


class PowerLost(Exception):
    pass


def same_arrays(one: Path, other: Path) -> bool:
    """Whether two folders hold the same arrays, to the byte."""
    files = [{path.name: path.read_bytes() for path in folder.glob("*.npy")} for folder in (one, other)]
    return files[0] == files[1]


def test_a_killed_pass_goes_on_after_its_last_whole_piece(
    pool: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the third of four pieces of three prompts. What is there already is not made again. The cost
    is that of the whole pass, also the time.
    """
    words = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path / "a")]
    died = subprocess.run([*words, *map(str, pool.values())], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    kept = tmp_path / "a" / "partial" / "stage" / "key"
    marks = sorted(kept.glob("pieces/*"))
    assert [path.name for path in marks] == ["0-3", "3-6"]
    marks[0].write_text(json.dumps(json.loads(marks[0].read_text()) | {"note": [1000.0, 500.0]}))
    make, made = partial(gradients.make, piece=12), list[str]()
    with monkeypatch.context() as patched:
        patched.setattr(Columns, "write", recording(made))
        done = run_stage(tmp_path / "a", make, gradient_params(), pool)
    whole = run_stage(tmp_path / "b", make, gradient_params(), pool)
    assert made == ["6-9", "9-12"]
    assert same_arrays(done.folder, whole.folder)
    assert (done.cost.flops, done.cost.tokens_backward) == (whole.cost.flops, whole.cost.tokens_backward)
    assert 1000 < done.cost.wall_s < 1100
    assert 500 < done.cost.cpu_s < 600
    assert not kept.exists()


@pytest.mark.parametrize("lies", [False, True])
def test_a_pass_goes_on_after_a_loss_of_power(
    pool: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lies: bool
) -> None:
    """Lost at the third of four pieces; each file that was not flushed is harmed in its own way. What was
    marked is kept. A disk that lies has flushed nothing: the bank is whole all the same.
    """
    make = partial(gradients.make, piece=12)
    whole = run_stage(tmp_path / "whole", make, gradient_params(), pool)
    for seed in range(4):
        root, power, before, after = tmp_path / f"{seed}", Power(lies), list[str](), list[str]()
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", power.fsync)
            patched.setattr(Columns, "write", recording(before, most=2))
            with pytest.raises(PowerLost):
                run_stage(root, make, gradient_params(), pool)
        power.lose(root, ANY, Random(seed))
        power.release()
        with monkeypatch.context() as patched:
            patched.setattr(Columns, "write", recording(after))
            done = run_stage(root, make, gradient_params(), pool)
        assert same_arrays(done.folder, whole.folder)
        assert lies or [*before, *after] == ["0-3", "3-6", "6-9", "9-12"]


def broken_base(base: Path, folder: Path, value: float) -> Path:
    """The model, with one word's embedding spoilt."""
    shutil.copytree(base, folder)
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][60 - 1] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_names_its_response(
    pool: dict[str, Path], tmp_path: Path, value: float
) -> None:
    """Only the third response to p5 holds the word; the output layer is untied, so no other row sees it."""
    rows = read_rows(pool["responses"] / "responses.jsonl", Response)
    texts = [row.text.replace("w53", "w1") for row in rows]
    texts[5 * 4 + 2] = "w53 w2"
    rows = [Response(row.prompt_id, row.index, text, 5, True) for row, text in zip(rows, texts, strict=True)]
    write_responses(pool, rows)
    prompts = read_rows(pool["prompts"] / "prompts.jsonl", Prompt)
    write_rows(
        pool["prompts"] / "prompts.jsonl", [Prompt(row.id, row.text.replace("w53", "w1")) for row in prompts]
    )
    base = untied(pool["base_model"], tmp_path / "untied")
    broken = {**pool, "base_model": broken_base(base, tmp_path / "broken", value)}
    with pytest.raises(HarnessError, match=r"the gradient of response 2 to prompt 'p5' is not finite"):
        run_stage(tmp_path / "a", partial(gradients.make, piece=12), gradient_params(), broken)
    assert [path.name for path in (tmp_path / "a" / "partial").glob("*/*/pieces/*")] == ["0-3"]


def untied(base: Path, folder: Path) -> Path:
    """The model with an output layer of its own."""
    shutil.copytree(base, folder)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace('"tie_word_embeddings": true', '"tie_word_embeddings": false')
    )
    return folder


def test_pools_with_odd_prompts(pool: dict[str, Path], tmp_path: Path) -> None:
    """p0 has one response, p1 a cut-off response without tokens, p2 twice the same: no pair of these has a
    direction; those of p3 have.
    """
    texts = [("p0", "w1", True), ("p1", "", False), ("p1", "w2", True), ("p2", "w3 w4", True)]
    texts += [("p2", "w3 w4", True), ("p3", "w5", True), ("p3", "w6 w7", True)]
    rows = [Response(prompt, at, text, 1, done) for at, (prompt, text, done) in enumerate(texts)]
    write_responses(pool, rows)
    done = run_stage(tmp_path / "a", gradients.run, gradient_params(), pool)
    bank = read_bank(done.folder)
    assert (bank.lengths[1], bank.logprobs[1], bank.norms[1]) == (0, 0, 0)
    both = np.array([[1, 2], [3, 4], [5, 6]])
    candidates = Candidates(np.arange(1, 4), both[:, 0], both[:, 1], np.ones(3), 4)
    features = read_features(done.folder, candidates)
    assert features.any(axis=1).tolist() == [False, False, True]


def test_features_follow_the_loss_that_is_trained(pool: dict[str, Path], tmp_path: Path) -> None:
    """At the reference a loss of the margin gives what no loss gives. IPO's slopes are 2 target over the
    lengths, so its features are the unit rows of g_w / |w| - g_l / |l|.
    """
    done, candidates = run_stage(tmp_path / "a", gradients.run, gradient_params(), pool), candidates_of(pool)
    plain = read_features(done.folder, candidates)
    for kind in ("dpo", "hinge", "bco", "nca"):
        same = read_features(done.folder, candidates, {"kind": kind})
        np.testing.assert_allclose(same, plain, rtol=1e-4, atol=1e-5)
    bank = read_bank(done.folder)
    per_token = np.asarray(bank.gradients, np.float32) / bank.lengths[:, None]
    expected = per_token[candidates.chosen] - per_token[candidates.rejected]
    expected = (expected / np.linalg.norm(expected, axis=1, keepdims=True)).astype(np.float32)
    found = read_features(done.folder, candidates, {"kind": "ipo"})
    assert row_errors(found, expected).max() < 1e-4
    assert row_errors(found, plain).max() > 0.1


def test_an_empty_pool(pool: dict[str, Path], tmp_path: Path) -> None:
    write_responses(pool, [])
    done = run_stage(tmp_path / "a", gradients.run, gradient_params(), pool)
    assert read_bank(done.folder).gradients.shape == (0, 64)


@pytest.mark.parametrize("change", [{"sketch": "sign-fold"}, {"tokens": "response"}, {"layers": 1}])
def test_each_setting_makes_other_features_and_costs_no_more(
    pool: dict[str, Path], tmp_path: Path, change: dict[str, object]
) -> None:
    """The log-probabilities stay; cheaper features run fewer tokens, or parameters, backward."""
    plain = run_stage(tmp_path / "a", gradients.run, gradient_params(), pool)
    other = run_stage(tmp_path / "b", gradients.run, gradient_params(**change), pool)
    one, two = read_bank(plain.folder), read_bank(other.folder)
    np.testing.assert_allclose(two.logprobs, one.logprobs, rtol=1e-4)
    assert row_errors(two.gradients, one.gradients).min() > 0.01
    assert (other.cost.flops < plain.cost.flops) == ("sketch" not in change)


def warmed_up(pool: dict[str, Path], folder: Path) -> dict[str, Path]:
    """The inputs of a gradients task after a warm-up, every stage run as the plan wires it."""
    drawn = {
        "depth": {"kind": "uniform", "pairs": 1},
        "pairing": {"kind": "random"},
        "budget": None,
        "max_length": TRAINING["max_length"],
        "seed": 0,
    }
    reference = run_stage(folder / "logprobs", logprobs.run, {"conditional": True}, pool).folder
    chosen = run_stage(folder / "pairs", pairs.run, drawn, pool).folder
    assert len(read_rows(chosen / "pairs.jsonl", PreferencePair)) == 12
    trained = run_stage(
        folder / "warmup",
        warmup.run,
        {"loss": LOSS, "training": TRAINING, "seed": 0},
        {**pool, "pairs": chosen, "reference": reference},
    ).folder
    assert read_json(trained / "result.json")["reference"] == "stored"
    return {**pool, "reference": reference, "warmup": trained}


def test_features_after_a_warm_up(pool: dict[str, Path], tmp_path: Path) -> None:
    """The policy's log-probabilities are the adapter's, the reference's the base model's. Frozen features are
    nearer to the exact ones than plain ones are; how near follows from how much one pair's g^2 adds to v,
    which is much after six steps.
    """
    inputs, candidates = warmed_up(pool, tmp_path), candidates_of(pool)
    rows = encoded(pool)
    found = {}
    for kind in ("none", "frozen", "exact"):
        params = gradient_params(at="warmup", warmup_steps=6, preconditioning=kind)
        done = run_stage(tmp_path / kind, gradients.run, params, inputs)
        found[kind] = read_features(done.folder, candidates, LOSS)
        np.testing.assert_allclose(np.linalg.norm(found[kind], axis=1), 1, rtol=1e-3)
        trained = sequence_logprobs(load_policy(pool["base_model"], inputs["warmup"]), rows)
        np.testing.assert_allclose(read_matrix(done.folder / "logprobs.npy"), trained, rtol=1e-3, atol=1e-3)
    bank = read_bank(tmp_path / "frozen" / "stage" / "key")
    assert bank.reference is not None
    expected = sequence_logprobs(load_policy(pool["base_model"]), rows)
    np.testing.assert_allclose(bank.reference, expected, rtol=1e-5)
    assert np.abs(bank.reference - bank.logprobs).max() > 0.1
    near = (found["frozen"] * found["exact"]).sum(axis=1)
    far = (found["none"] * found["exact"]).sum(axis=1)
    assert np.median(near) > 0.8
    assert (near > far).all()


def test_exact_pieces_go_together(pool: dict[str, Path], tmp_path: Path) -> None:
    inputs, candidates = warmed_up(pool, tmp_path), candidates_of(pool)
    params = gradient_params(at="warmup", warmup_steps=6, preconditioning="exact")
    one, many = (
        run_stage(tmp_path / str(piece), partial(gradients.make, piece=piece), params, inputs).folder
        for piece in (1000, 7)
    )
    np.testing.assert_array_equal(read_features(one, candidates), read_features(many, candidates))


def test_training_takes_its_reference_from_the_bank(pool: dict[str, Path], tmp_path: Path) -> None:
    """Or from a pass of its own: without a reference forward, the first loss stays ln 2 and the last is the
    same. Rows that training cuts are computed.
    """
    drawn = {
        "depth": {"kind": "uniform", "pairs": 2}, "pairing": {"kind": "random"}, "budget": 20,
        "max_length": 64, "seed": 0,
    }  # fmt: skip
    chosen = run_stage(tmp_path / "pairs", pairs.run, drawn, pool).folder
    bank = run_stage(tmp_path / "bank", gradients.run, gradient_params(), pool).folder
    alone = {"base_model": pool["base_model"], "pairs": chosen}
    stored = run_stage(tmp_path / "logprobs", logprobs.run, {"conditional": True}, pool).folder
    with_bank = {**alone, "responses": pool["responses"], "reference": bank}

    def trained(name: str, inputs: dict[str, Path], max_length: int = 64) -> Done:
        params = {"loss": LOSS, "training": {**TRAINING, "max_length": max_length}, "seed": 0}
        return run_stage(tmp_path / name, adapter.run, params, inputs)

    plain, given = trained("plain", alone), trained("given", with_bank)
    passed = trained("passed", {**with_bank, "reference": stored})
    log = read_json(plain.folder / "result.json")
    assert log["reference"] == "computed"
    for done, source in ((given, "bank"), (passed, "stored")):
        own = read_json(done.folder / "result.json")
        assert own["reference"] == source
        assert own["loss_first"] == pytest.approx(np.log(2), abs=1e-5)
        assert own["loss_last"] == pytest.approx(log["loss_last"], rel=1e-4)
        assert done.cost.tokens_forward == done.cost.tokens_backward < plain.cost.tokens_forward
    short = read_json(trained("short", with_bank, max_length=9).folder / "result.json")
    assert short["reference"] == "computed"
    assert short["reference_rows"] == short_rows(pool, chosen, 9)


def short_rows(pool: dict[str, Path], chosen: Path, max_length: int) -> int:
    """Distinct rows of the pairs after the cut that are not the rows before it."""
    tokenizer = load_policy(pool["base_model"]).tokenizer
    found = set()
    for pair in read_rows(chosen / "pairs.jsonl", PreferencePair):
        for text, finished in ((pair.chosen, pair.chosen_finished), (pair.rejected, pair.rejected_finished)):
            row = encode(tokenizer, pair.prompt, text, finished)
            if len(row) > max_length > len(row.prompt):
                found.add((row.prompt, row.response[: max_length - len(row.prompt)]))
    assert found
    return len(found)


def test_logprobs_with_and_without_the_prompt(pool: dict[str, Path], tmp_path: Path) -> None:
    policy, rows = load_policy(pool["base_model"]), encoded(pool)
    given, alone = (
        run_stage(tmp_path / str(conditional), logprobs.run, {"conditional": conditional}, pool).folder
        for conditional in (True, False)
    )
    for folder, expected in ((given, rows), (alone, [Encoded((1,), row.response) for row in rows])):
        np.testing.assert_allclose(
            read_matrix(folder / "logprobs.npy"), sequence_logprobs(policy, expected), rtol=1e-5
        )
        assert read_matrix(folder / "lengths.npy").tolist() == [len(row.response) for row in rows]
        assert read_matrix(folder / "lengths.npy").dtype == np.int32
        tokens = read_matrix(folder / "token_logprobs.npy")
        assert tokens.dtype == np.float32
        assert len(tokens) == sum(len(row.response) for row in rows)
        ends = np.cumsum(read_matrix(folder / "lengths.npy"))
        summed = [part.sum() for part in np.split(tokens, ends[:-1])]
        np.testing.assert_allclose(summed, read_matrix(folder / "logprobs.npy"), rtol=1e-6)
