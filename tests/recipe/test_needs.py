"""What a recipe needs from outside it."""

from pathlib import Path

from harness.recipe.evaluation import OFFICIAL_DATASET, OFFICIAL_FILE
from harness.recipe.load import load_recipe
from harness.recipe.needs import HubData, HubModel, Needs, Package, needs_of

ROOT = Path(__file__).parent.parent.parent
A, B, C = "a" * 40, "b" * 40, "c" * 40

TEXT = f"""
title = "t"
baseline = "dpo"
[model]
kind = "hf"
name = "owner/policy"
revision = "{A}"
attention = "flash_attention_2"
template = "chat.jinja"
[pool]
prompts = {{ kind = "dataset", path = "owner/data", revision = "{B}", config = "en", count = 8 }}
responses = {{ kind = "sample" }}
[pool.judge]
kind = "reward-model"
name = "owner/judge"
revision = "{C}"
[sampling]
engine = "vllm"
[budget]
responses = 8
[features]
embedding = {{ kind = "sentence-transformers", name = "owner/embedder", revision = "{A}" }}
[training]
steps = 1
learning_rate = 1e-3
weights = "qlora"
[evaluation.alpaca_eval]
samples_per_prompt = 1
prompts = {{ kind = "official", revision = "{C}" }}
reference = {{ kind = "official" }}
[evaluation.alpaca_eval.judge]
kind = "endpoint"
base_url = "http://localhost/v1"
model = "m"
key_env = "JUDGE_KEY"
[evaluation.lm_eval]
tasks = ["gsm8k", "ifeval"]
[evaluation.mt_bench]
questions = "questions.jsonl"
judge = {{ kind = "reward-model", name = "owner/judge", revision = "{C}" }}
[methods.dpo]
responses_per_prompt = 2
"""


def needs(folder: Path, text: str) -> Needs:
    (folder / "r.toml").write_text(text)
    return needs_of(load_recipe(folder / "r.toml"))


def test_everything_is_found_once(tmp_path: Path) -> None:
    """The judge that two tables name is one model."""
    found = needs(tmp_path, TEXT)
    assert found.models == (
        HubModel("owner/policy", A),
        HubModel("owner/judge", C),
        HubModel("owner/embedder", A),
    )
    assert found.data == (
        HubData("owner/data", B, "train", "en"),
        HubData(OFFICIAL_DATASET, C, file=OFFICIAL_FILE),
    )
    assert found.files == (
        ("model.template", "chat.jinja"),
        ("evaluation.mt_bench.questions", "questions.jsonl"),
    )
    assert found.keys == (("evaluation.alpaca_eval.judge.key_env", "JUDGE_KEY"),)
    assert found.packages == (
        Package("sampling.engine", "vllm"),
        Package("training.weights", "bitsandbytes"),
        Package("model.attention", "flash-attn"),
        Package("features.embedding", "sentence-transformers"),
        Package("evaluation.lm_eval.tasks", "langdetect"),
    )
    assert found.cuda == ("sampling.engine", "training.weights", "model.attention")
    assert found.tasks is not None
    assert found.tasks.tasks == ("gsm8k", "ifeval")


def test_half_precision_needs_a_gpu(tmp_path: Path) -> None:
    text = TEXT.replace('weights = "qlora"', 'precision = "fp16"')
    assert needs(tmp_path, text).cuda == ("sampling.engine", "training.precision", "model.attention")


def test_an_endpoint_that_writes_the_pool_has_a_key(tmp_path: Path) -> None:
    writer = '{ kind = "sample", endpoint = { base_url = "http://h/v1", model = "m", key_env = "WRITER" } }'
    found = needs(tmp_path, TEXT.replace('{ kind = "sample" }', writer))
    assert ("pool.responses.endpoint.key_env", "WRITER") in found.keys


def test_the_embedded_world_needs_nothing() -> None:
    found = needs_of(load_recipe(ROOT / "recipes" / "bpo.toml"))
    assert found == Needs((), (), (), (), (), (), None)


def test_local_data_are_files() -> None:
    found = needs_of(load_recipe(ROOT / "recipes" / "real-pool.toml"))
    assert found.files == (("pool.prompts.path", "hh-rlhf/harmless-base-test.jsonl.gz"),)
    assert found.data == ()
