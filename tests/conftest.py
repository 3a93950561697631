"""A tiny random Llama and its word-level tokenizer, built in code; one thread, no network."""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from smoke_project import harness, make_project, second_replicate

if TYPE_CHECKING:
    from harness.models.load import Policy

# Before torch and the hub client are first imported: both read these once.
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
# The tests start many processes, and each would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Drawn cases are the same in each run, and a slow machine fails none of them.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent
PUBLIC_DATA = Path(os.environ.get("HARNESS_TEST_DATA", ROOT.parent / "shared" / "data"))

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>")
WORDS = tuple(f"w{number}" for number in range(54))
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %} <user> {{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %} <assistant>{% endif %}"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: one that is begun last would keep a single core busy at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Folder of public data sets, which is not part of the repository."""
    if not PUBLIC_DATA.is_dir():
        pytest.skip(f"public data is not at {PUBLIC_DATA}; HARNESS_TEST_DATA names another place")
    return PUBLIC_DATA


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, of 1 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room that is left on a folder's disk."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Llama (2 layers, hidden 32, 60 words) with its tokenizer.

    Weights are large (std 0.3) so that the next-token distribution is far from uniform; word wN has
    token id N + 6, and "<eos>" is 2.
    """
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from harness.models.quiet import quiet

    words = Tokenizer(WordLevel({word: index for index, word in enumerate(SPECIAL + WORDS)}, "<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>"],
        chat_template=CHAT_TEMPLATE,
    )
    config = LlamaConfig(
        vocab_size=len(SPECIAL + WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    folder = tmp_path_factory.mktemp("tiny-llama")
    torch.manual_seed(0)
    with quiet():
        model = LlamaForCausalLM(config)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    # as the stage that makes a base model says what it is
    (folder / "result.json").write_text(json.dumps({"parameters": model.num_parameters()}))
    return folder


@pytest.fixture(scope="session")
def tiny_policy(tiny_base: Path) -> "Policy":
    """The tiny model, loaded; tests must not change it."""
    from harness.models.load import load_policy

    return load_policy(tiny_base)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose smoke recipe has been run without a break; tests copy it before they run it again or
    change it, as others may be copying it.

    Of the processes that share the tests, the first to ask makes it, and the others wait for it.
    """
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    project, whole = folder / "finished", folder / "finished.done"
    with FileLock(folder / "finished.lock"):
        if not whole.exists():
            make_project(project)
            done = harness(project, "run", "recipes/smoke.toml", "--jobs", "2")
            assert done.returncode == 0, done.stdout + done.stderr
            whole.touch()
    return project


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "project")


@pytest.fixture
def half(copy: Path) -> Path:
    """A finished project without its second replicate and its board: 27 tasks, of all stages but one."""
    for name in second_replicate(copy):
        shutil.rmtree(copy / ".harness" / name)
    shutil.rmtree(copy / "leaderboards")
    return copy
