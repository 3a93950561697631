"""What a trial measures, and which trial tuning takes."""

from pathlib import Path

import pytest
from pool_of_words import run_stage, write_pool

from harness.data.rows import PreferencePair, Response
from harness.errors import Diverged
from harness.recipe.schema import Training
from harness.stages import adapter, outputs, responses, trial, tuned
from harness.stages.shared import read_responses
from harness.store.formats import RESULT, read_json, write_json, write_rows

SAMPLING = {"kind": "sample", "per_prompt": 2, "temperature": 1.0, "max_new_tokens": 6, "seed": 3}
JUDGE = {"judge": {"kind": "length"}, "world": 0}


def test_a_trial_is_the_mean_preference_of_the_judge(tmp_path: Path, tiny_base: Path) -> None:
    """The length judge: a longer output is 100, a shorter one 0, one as long 50. The reference is drawn with
    other random numbers, and then replaced by empty texts, which all but an empty output beat.
    """
    inputs = write_pool(tmp_path / "pool", prompts=5) | {"base_model": tiny_base}
    reference = run_stage(tmp_path / "reference", responses.run, SAMPLING, inputs).folder
    done = run_stage(tmp_path / "trial", trial.run, SAMPLING | JUDGE, inputs | {"reference": reference})
    found = read_json(done.folder / RESULT)
    assert found["judged"] == done.cost.judge_calls == 10
    assert 0 < found["win_rate"] < 100
    assert done.cost.tokens_forward > 0
    empty = tmp_path / "empty"
    empty.mkdir()
    rows = [Response(row.prompt_id, row.index, "", 0, True) for row in read_responses(reference)]
    write_rows(empty / "responses.jsonl", rows)
    beaten = run_stage(tmp_path / "beaten", trial.run, SAMPLING | JUDGE, inputs | {"reference": empty})
    assert read_json(beaten.folder / RESULT)["win_rate"] > 85


def test_the_first_of_the_best_trials_is_taken(tmp_path: Path) -> None:
    """Win rates 50, 60, 60: number 1, with its files and its log, and what was tried beside it."""
    inputs = {}
    for number, rate in enumerate((50.0, 60.0, 60.0)):
        for kind in ("trial", "adapter"):
            inputs[f"{kind}_{number}"] = tmp_path / f"{kind}_{number}"
            inputs[f"{kind}_{number}"].mkdir()
        write_json(inputs[f"trial_{number}"] / RESULT, {"win_rate": rate})
        write_json(inputs[f"adapter_{number}"] / RESULT, {"pairs": number})
        (inputs[f"adapter_{number}"] / "adapter.bin").write_bytes(bytes([number]))
        (inputs[f"adapter_{number}"] / "manifest.json").write_text("another task's")
    settings = [{"beta": beta} for beta in (0.1, 0.2, 0.3)]
    done = run_stage(tmp_path / "run", tuned.run, {"settings": settings, "prompts": 8}, inputs)
    assert (done.folder / "adapter.bin").read_bytes() == b"\x01"
    assert read_json(done.folder / RESULT) == {
        "pairs": 1,
        "tuning": {
            "prompts": 8,
            "chosen": 1,
            "trials": [
                {"settings": {"beta": 0.1}, "win_rate": 50.0},
                {"settings": {"beta": 0.2}, "win_rate": 60.0},
                {"settings": {"beta": 0.3}, "win_rate": 60.0},
            ],
        },
    }
    assert "another" not in (done.folder / "manifest.json").read_text()


def test_a_trial_that_diverges_is_no_failure_and_never_chosen(tmp_path: Path, tiny_base: Path) -> None:
    """At a learning rate of 1e30 the second step's loss is no number: the artifact says so, and why.

    It states what was done before: the first step's forward and backward pass, and the reference's two rows.
    """
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    row = PreferencePair("p", "w1", "w2 w3", "w4", 0, 1, True, True, 1.0)
    write_rows(pairs / "pairs.jsonl", [row])
    training = Training(steps=3, pairs_per_step=1, learning_rate=1e30, lora_rank=2).model_dump(mode="json")
    params = {"loss": {"kind": "dpo", "beta": 0.1}, "training": training, "seed": 0}
    inputs = {"base_model": tiny_base, "pairs": pairs}
    made = run_stage(tmp_path / "adapter", adapter.run, params, inputs)
    broken = made.folder
    assert "the loss at step 2 is nan for prompt 'p'" in read_json(broken / RESULT)["diverged"]
    one_step = params | {"training": training | {"steps": 1}}
    whole = run_stage(tmp_path / "one", adapter.run, one_step, inputs).cost
    assert 0 < made.cost.tokens_backward < made.cost.tokens_forward
    for name in ("tokens_forward", "tokens_backward", "flops"):
        assert getattr(made.cost, name) == getattr(whole, name)

    inputs = write_pool(tmp_path / "pool", prompts=2) | {"base_model": tiny_base, "adapter": broken}
    tried = run_stage(tmp_path / "trial", trial.run, SAMPLING | JUDGE, inputs).folder
    assert read_json(tried / RESULT) == {"win_rate": None, "judged": 0}
    wanted = {"samples": 1, "temperature": 1.0, "max_new_tokens": 4, "seed": 0, "stream": "outputs"}
    with pytest.raises(Diverged, match="the loss at step 2 is nan"):
        run_stage(tmp_path / "outputs", outputs.run, wanted, inputs | {"held_out": inputs["prompts"]})

    sound, good = tmp_path / "sound", tmp_path / "good"
    for folder, content in ((sound, {"pairs": 1}), (good, {"win_rate": 3.0})):
        folder.mkdir()
        write_json(folder / RESULT, content)
    both = {"adapter_0": broken, "trial_0": tried, "adapter_1": sound, "trial_1": good}
    settings = [{"learning_rate": 1e30}, {"learning_rate": 1e-3}]
    done = run_stage(tmp_path / "tuned", tuned.run, {"settings": settings, "prompts": 2}, both).folder
    assert read_json(done / RESULT)["tuning"]["chosen"] == 1
    lost = {"adapter_0": broken, "trial_0": tried}
    with pytest.raises(Diverged, match="all 1 trials diverged"):
        run_stage(tmp_path / "lost", tuned.run, {"settings": settings[:1], "prompts": 2}, lost)
