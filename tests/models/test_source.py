"""Where a base model lies: its folder, a pointer to a folder, or one into the hub's cache; and its facts."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from harness.errors import BadInput
from harness.models.chat import encode
from harness.models.describe import describe_model
from harness.models.embeddings import embed_responses
from harness.models.hub import folder_digest
from harness.models.load import import_architecture, load_policy, load_tokenizer
from harness.models.logprobs import sequence_logprobs
from harness.models.source import POINTER, Source, read_source, write_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"
IDS = torch.tensor([[1, 4, 7, 9, 5]])


def pointer(folder: Path, source: Source) -> Path:
    write_source(folder / "base", source)
    return folder / "base"


@pytest.fixture
def cached(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model in a hub cache, as the hub's client lays it: links to blobs named by their SHA-256."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--someone--tiny"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for file in tiny_base.iterdir():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, repository / "blobs" / digest)
        (snapshot / file.name).symlink_to(repository / "blobs" / digest)
    return snapshot


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_a_pointer_into_the_hubs_cache_loads_offline(
    cached: Path, tiny_base: Path, tmp_path: Path, revision: str | None
) -> None:
    base = pointer(tmp_path, Source("someone/tiny", revision))
    import_architecture(base)
    expected = load_policy(tiny_base).model(IDS).logits
    assert torch.equal(load_policy(base).model(IDS).logits, expected)
    assert load_tokenizer(base).get_vocab() == load_tokenizer(tiny_base).get_vocab()


def test_a_pointer_to_a_folder_loads_as_it_says(tiny_base: Path, tmp_path: Path) -> None:
    source = Source(str(tiny_base), dtype="bf16", attention="eager", template="{{ messages[0]['content'] }}")
    policy = load_policy(pointer(tmp_path, source))
    assert policy.model.dtype == torch.bfloat16
    assert policy.model.config._attn_implementation == "eager"
    assert policy.tokenizer.chat_template == "{{ messages[0]['content'] }}"
    trained = load_policy(tmp_path / "base", precision=torch.float32)
    assert trained.model.dtype == torch.float32


def test_a_model_may_lie_beside_its_pointer(tiny_base: Path, tmp_path: Path) -> None:
    """As a supervised training leaves it: moved as a whole, it is found where it is now."""
    shutil.copytree(tiny_base, tmp_path / "base")
    write_source(tmp_path / "base", Source("/moved/away", dtype="bf16"))
    assert read_source(tmp_path / "base") == Source(None, dtype="bf16")
    assert load_policy(tmp_path / "base").model.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "revision", "sentence"),
    [
        ("someone/else", None, r"model 'someone/else': is not in the hub's cache\. Run 'harness prefetch'"),
        ("someone/tiny", "f" * 40, f"at revision {'f' * 40}: is not in the hub's cache"),
        ("./no/such/folder", None, "is neither a folder nor a name on the hub"),
    ],
)
def test_a_model_that_is_not_here_is_named_with_the_remedy(
    cached: Path, tmp_path: Path, name: str, revision: str | None, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        load_policy(pointer(tmp_path, Source(name, revision)))


def test_a_half_fetched_model_is_refused(cached: Path, tmp_path: Path) -> None:
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (cached / "model.safetensors").rename(cached / shards["a"])
    (cached / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(BadInput, match=r"1 of 2 weight files are missing, the first is model-00002-of"):
        load_policy(pointer(tmp_path, Source("someone/tiny")))


@pytest.mark.parametrize(
    "index", ["{", "[]", "{}", '{"weight_map": {"a": 1, "b": "c"}}', "[" * 100_000], ids=len
)
def test_a_wrong_index_of_weights_is_one_sentence(tiny_base: Path, tmp_path: Path, index: str) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "model.safetensors.index.json").write_text(index)
    with pytest.raises(BadInput, match=r"index\.json: is no index of weight files\. Fetch it again\.$"):
        load_policy(base)


def test_weights_that_are_pickles_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"no weights in safetensors, only pytorch_model\.bin"):
        load_policy(base)


def test_code_of_the_model_is_not_run_unasked(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "coded"
    shutil.copytree(tiny_base, folder)
    coded = {"model_type": "coded", "auto_map": {"AutoConfig": "coded.C", "AutoModelForCausalLM": "coded.M"}}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | coded))
    (folder / "coded.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class C(LlamaConfig):\n    model_type = 'coded'\n"
        "class M(LlamaForCausalLM):\n    config_class = C\n"
    )
    base = pointer(tmp_path, Source(str(folder)))
    with pytest.raises(BadInput, match=r"code of its own.*set model\.trust_remote_code = true"):
        load_policy(base)
    write_source(base, Source(str(folder), trust_remote_code=True))
    assert torch.equal(load_policy(base).model(IDS).logits, load_policy(tiny_base).model(IDS).logits)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"name": "x", "dtype": "fp16"}', r"dtype must be one of fp32, bf16\. Got 'fp16'"),
        ('{"name": "x", "attention": "fast"}', "attention must be one of sdpa, eager, flash_attention_2"),
        ('{"nam": "x"}', "is no description of a model"),
        ("{", "is no description of a model"),
    ],
)
def test_a_wrong_pointer_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / POINTER).write_text(text)
    with pytest.raises(BadInput, match=sentence):
        read_source(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine may have what it needs")
def test_flash_attention_without_a_gpu_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    base = pointer(tmp_path, Source(str(tiny_base), attention="flash_attention_2"))
    with pytest.raises(BadInput, match=r"needs a CUDA GPU and the package flash-attn.*Use 'sdpa'"):
        load_policy(base)


def test_a_model_is_described_without_its_weights(cached: Path, tiny_base: Path, tmp_path: Path) -> None:
    """60 words of 32 (tied), 4 * 32^2 + 3 * 32 * 64 + 2 * 32 in each of 2 layers, 32 in the last norm.

    So 1920 + 2 * 10304 + 32 = 22560 parameters.
    """
    found = describe_model(pointer(tmp_path, Source("someone/tiny")))
    weights = tiny_base / "model.safetensors"
    assert found.parameters == load_policy(tiny_base).model.num_parameters() == 22560
    assert found.weights == {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()}
    assert (found.bytes, found.commit) == (weights.stat().st_size, COMMIT)
    assert (found.architecture, found.licence) == ("LlamaForCausalLM", "")
    plain = describe_model(tiny_base)
    assert plain == replace(found, commit=None)


def test_the_template_that_is_used_is_described(tiny_base: Path, tmp_path: Path) -> None:
    own = describe_model(pointer(tmp_path, Source(str(tiny_base), template="{{ 1 }}")))
    assert own.template != describe_model(tiny_base).template


def test_the_digest_is_of_all_that_a_model_is_loaded_from(tiny_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    before = folder_digest(tiny_base)
    (base / "README.md").write_text("other words")
    (base / "result.npy").write_bytes(b"of something else")
    assert folder_digest(base) == before
    (base / "chat_template.jinja").write_text("{{ bos_token }}")
    assert folder_digest(base) != before


def test_a_bf16_model_scores_and_embeds_as_the_fp32_one_to_its_precision(
    tiny_base: Path, tmp_path: Path
) -> None:
    exact, policy = (
        load_policy(tiny_base),
        load_policy(pointer(tmp_path, Source(str(tiny_base), dtype="bf16"))),
    )
    rows = [encode(exact.tokenizer, f"w{n}", f"w{n + 1} w{n + 2}", finished=True) for n in range(5)]
    scores = [sequence_logprobs(each, rows) for each in (exact, policy)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=0.02, atol=0.05)
    vectors = [embed_responses(each, rows) for each in (exact, policy)]
    assert vectors[1].dtype == np.float32
    np.testing.assert_allclose(vectors[1], vectors[0], atol=0.1)


def test_the_licence_comes_from_the_card(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    (tmp_path / "base" / "README.md").write_text("---\nlicense: llama3\ntags: []\n---\nlicense: mit\n")
    assert describe_model(tmp_path / "base").licence == "llama3"


Loader = Callable[[Path], object]


@pytest.mark.parametrize("load", [load_policy, load_tokenizer, import_architecture, describe_model])
def test_all_loaders_refuse_an_empty_folder(tmp_path: Path, load: Loader) -> None:
    with pytest.raises(BadInput, match=r"holds no model \(no config.json\)"):
        load(tmp_path)
