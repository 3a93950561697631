"""Which file a recipe's tables come from, and what a file may hold."""

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.recipe.files import MAX_DEPTH, MAX_FILES, read_document
from harness.recipe.load import load_recipe

BASE = """
title = "test"
baseline = "dpo"
[budget]
responses = 64
[training]
steps = 2
learning_rate = 1e-3
"""
METHOD = "[methods.dpo]\nresponses_per_prompt = 2\n"


def write(folder: Path, text: str, name: str = "r.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    return list(caught.value.problems)


def test_a_mistake_is_blamed_on_the_file_that_holds_it(tmp_path: Path) -> None:
    text = BASE.replace("steps = 2", "steps = 0") + "[seed]\n[methods.dpo]\nnot_inherited = 1\n"
    base = write(tmp_path, text, "base.toml")
    child = write(tmp_path, 'extends = "base.toml"\n' + METHOD + "depth = 3")
    assert sorted(problems(child)) == [
        f"{base}: seed: unknown key. Did you mean 'seeds'?",
        f"{base}: training.steps: must be at least 1. Got 0.",
        f"{child}: methods.dpo.depth: must be a table. Got 3.",
    ]


def test_a_contradiction_is_blamed_on_the_file_of_the_key_that_it_names(tmp_path: Path) -> None:
    base = write(tmp_path, BASE.replace("responses = 64", ""), "base.toml")
    child = write(tmp_path, 'extends = "base.toml"\nbaseline = "dop"\n' + METHOD)
    assert problems(child) == [
        f"{child}: baseline: no method is called 'dop'. Did you mean 'dpo'?",
        f"{base}: budget: needs `responses`, `pairs` or both. Add one.",
    ]


def test_what_the_child_replaces_or_lacks_is_the_childs(tmp_path: Path) -> None:
    write(tmp_path, BASE.replace("[budget]\nresponses = 64", "") + METHOD, "base.toml")
    child = write(tmp_path, 'extends = "base.toml"\nbaseline = "A"\n')
    assert problems(child) == [
        f"{child}: baseline: must be a method's name, of a-z, 0-9, '-' and '.'. Got \"A\".",
        f"{child}: budget: required, but not there. Add it.",
        f"{child}: methods: required, but not there. Add it.",
    ]


def chain(folder: Path, files: int) -> Path:
    """Files that extend each other, the first of them `0.toml`, the last a whole fixed part."""
    for number in range(files - 1):
        write(folder, f'extends = "{number + 1}.toml"\n' + METHOD, f"{number}.toml")
    write(folder, BASE, f"{files - 1}.toml")
    return folder / "0.toml"


def test_a_chain_of_files_has_a_limit(tmp_path: Path) -> None:
    document, origins = read_document(chain(tmp_path, MAX_FILES))
    assert origins["training"] == tmp_path / f"{MAX_FILES - 1}.toml"
    assert origins["methods"] == tmp_path / "0.toml"
    assert document["extends"] == "1.toml"
    (problem,) = problems(chain(tmp_path, 1200))
    assert problem == (
        f"{tmp_path / '19.toml'}: extends: at most 20 files may extend each other. Join some of them."
    )


def test_a_circle_is_found_where_it_closes(tmp_path: Path) -> None:
    base = write(tmp_path, 'extends = "r.toml"', "base.toml")
    path = write(tmp_path, 'extends = "base.toml"')
    sentence = "extends: the files extend each other in a circle. Remove one `extends`."
    assert problems(path) == [f"{base}: {sentence}"]
    itself = write(tmp_path, 'extends = "./itself.toml"', "itself.toml")
    assert problems(itself) == [f"{itself}: {sentence}"]


@pytest.mark.parametrize("name", ["no.toml", "", ".", "a" * 5000, "a\\u0000b", "a\\nb"])
def test_extending_no_file(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f'extends = "{name}"\n' + BASE)
    (problem,) = problems(path)
    assert problem.startswith(f'{path}: extends: there is no file "')
    assert problem.endswith(" beside it. Correct the path.")
    assert len(problem.splitlines()) == 1
    assert len(problem) < len(str(path)) + 130


@pytest.mark.parametrize(("value", "shown"), [("3", "3"), ('["a.toml"]', '["a.toml"]'), ("{ }", "{}")])
def test_extends_of_a_wrong_type_is_the_only_problem(tmp_path: Path, value: str, shown: str) -> None:
    """What the file that was meant would have given is not called missing."""
    path = write(tmp_path, f"extends = {value}\n" + METHOD)
    assert problems(path) == [f"{path}: extends: must be a text. Got {shown}."]


def test_a_byte_order_mark_is_no_part_of_the_document(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(b"\xef\xbb\xbf" + (BASE + METHOD).encode())
    assert load_recipe(path).title == "test"


def nested(levels: int) -> list[str]:
    """A value of so many levels, as lists, as tables, and by dotted keys."""
    return [
        "x = " + "[" * levels + "]" * levels,
        "x = " + "{ y = " * (levels - 1) + "{ }" + " }" * (levels - 1),
        "x" + ".y" * (levels - 1) + " = { }",
    ]


@pytest.mark.parametrize("style", range(3))
def test_nesting_has_a_limit(tmp_path: Path, style: int) -> None:
    read_document(write(tmp_path, nested(MAX_DEPTH)[style]))
    for levels in (MAX_DEPTH + 1, 3000):
        with pytest.raises(BadInput, match=r"is nested more than 50 levels deep\. Flatten it\."):
            read_document(write(tmp_path, nested(levels)[style]))


@pytest.mark.parametrize("number", [f"{2**63}", f"{-(2**63) - 1}", "0x" + "f" * 5000, "9" * 5000])
def test_whole_numbers_have_64_bits(tmp_path: Path, number: str) -> None:
    assert read_document(write(tmp_path, f"x = {2**63 - 1}"))[0] == {"x": 2**63 - 1}
    with pytest.raises(BadInput, match=r"is not TOML: a whole number has at most 64 bits\. Correct it\."):
        read_document(write(tmp_path, f"x = {number}"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[a.b]\n[a.b]", "a.b twice"),
        ('[a."(b)"]\n[a."(b)"]', 'a."(b)" twice'),
        ("a = { b = 1 }\n[a.b]", "a.b"),
    ],
)
def test_keys_in_the_parsers_messages_are_toml(tmp_path: Path, text: str, key: str) -> None:
    (problem,) = problems(write(tmp_path, text))
    assert key in problem
    assert "'" not in problem
    assert problem.endswith("). Two tables or keys have one name: rename one of them.")
