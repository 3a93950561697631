"""What the schema promises to editors, to `harness methods` and to the seeds."""

from harness.recipe.schema import KINDS, Method, Recipe, Seeds, kind_of


def test_json_schema_names_every_kind() -> None:
    text = str(Recipe.model_json_schema())
    for variants in KINDS.values():
        for variant in variants:
            assert f"'{kind_of(variant)}'" in text


def test_kinds_are_those_that_a_method_accepts() -> None:
    """KINDS is what `harness methods` lists; the fields of Method are what a recipe may use."""
    definitions = Recipe.model_json_schema()["$defs"]
    for part in ("breadth", "depth", "pairing"):
        mapping = definitions["Method"]["properties"][part]["discriminator"]["mapping"]
        assert set(mapping) == {kind_of(variant) for variant in KINDS[part]}
    assert set(KINDS) == set(Method.model_fields) - {"responses_per_prompt", "training", "tuning", "answer"}


def test_every_kind_has_one_line_of_text() -> None:
    for variants in KINDS.values():
        assert all(str(variant.__doc__).partition("\n")[0].endswith(".") for variant in variants)


def test_only_roles_that_vary_take_the_replicate_as_seed() -> None:
    seeds = Seeds(replicates=(3, 4), vary=("training",))
    assert [seeds.of("training", replicate) for replicate in seeds.replicates] == [3, 4]
    assert [seeds.of("pool", replicate) for replicate in seeds.replicates] == [0, 0]
