"""EdgeJSON's training data: would break if a test leaked into it, or a variant was wrong."""

import json
from collections import Counter
from itertools import groupby

import pytest

from slmlib.core import io
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import augment, schemas, training_data
from slmlib.textgen import near_duplicates, templates
from slmlib.training import recipes

TASK = tasks.get("edgejson")
TRAINING = TASK.training
DEFAULTS = {key: part["default"] for key, part in TRAINING.schema["properties"].items()}


def groups(*, seed=1, size=4, **mix) -> list[list]:
    """The groups of a mix, each a list of training samples."""
    samples = TRAINING.samples(DEFAULTS | mix, seed=seed, group_size=size)
    return [list(group) for _, group in groupby(samples, key=lambda sample: sample.group)]


@pytest.fixture(scope="module")
def mixed():
    """Groups of published and generated cases, half of the latter under noise."""
    return groups(extended=150, noisy=0.5, seed=3)


def keys(schema) -> frozenset[str]:
    """The words in which a schema names its scalars and lists."""
    pointers = (pointer.removesuffix("/*") for pointer in schemas.leaves(schema))
    return frozenset(" ".join(augment.words(p.rsplit("/", 1)[-1])) for p in pointers)


def require_clean(learned) -> None:
    """No test case and no unseen schema: by split, near-duplicate texts, name, domain and keys.

    Small schemas of one shape are not renamings: among thousands, some have that of an unseen one.
    """
    judged = [case for split in TASK.split_names("test") for case in TASK.load(split)]
    cases = [sample.sample for group in learned for sample in group]
    assert {case.split for case in cases} <= {"train", "train_extended"}
    known = near_duplicates.Index()
    for case in judged:
        known.add(case.id, near_duplicates.plain(case.input["text"]))
    assert not [c.id for c in cases if known.like(near_duplicates.plain(c.input["text"]))]
    unseen = [case for case in judged if case.split == TASK.ranking_split]
    assert not {c.meta["domain"] for c in cases} & {c.meta["domain"] for c in unseen}
    assert not {c.group for c in cases} & {c.group for c in unseen}
    theirs = {keys(case.input["schema"]) for case in unseen}
    ours = {case.id: keys(case.input["schema"]) for case in cases}
    assert not [name for name, own in ours.items() if any(each <= own for each in theirs)]
    texts = {case.input["text"] for case in TASK.load("val")}
    assert not texts & {case.input["text"] for case in cases}


def test_no_test_case_and_no_unseen_schema_is_learned(mixed):
    require_clean(mixed)


def mixes() -> list[tuple[str, int, int]]:
    """Each mix of a recipe once; and the first 2,000 cases of the largest with two other seeds."""
    loaded = {name: recipes.load(name) for name in recipes.names() if name.startswith("edgejson/")}
    once = {
        (repr(recipe["data"]["edgejson"]), recipe["seed"]): (name, recipe["seed"])
        for name, recipe in reversed(loaded.items())
    }
    sizes = {name: recipe["data"]["edgejson"]["extended"] for name, recipe in loaded.items()}
    largest = max(sizes, key=sizes.get)
    whole = [(name, seed, sizes[name]) for name, seed in sorted(once.values())]
    return [*whole, (largest, 2, 2000), (largest, 3, 2000)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed", "extended"), mixes())
def test_no_recipe_trains_on_a_test_case(name, seed, extended):
    """With all fields, since a part has fewer keys; nested as they are, and as the recipe does."""
    recipe = recipes.load(name, seed=seed)
    mix = recipe["data"]["edgejson"] | {"extended": extended, "partial": 0}
    for restructured in {0, mix["restructured"]}:
        size = recipe["batch"]["group"]
        require_clean(groups(seed=seed, size=size, **mix | {"restructured": restructured}))


def test_varied_cases_are_valid_and_keep_their_values(mixed):
    def values(value):
        if isinstance(value, dict):
            return sorted(repr(x) for part in value.values() for x in values(part))
        return [x for part in value for x in values(part)] if isinstance(value, list) else [value]

    originals = {case.id: case for case in TASK.load("train")}
    for case in (sample.sample for group in mixed for sample in group):
        io.Draft202012Validator(case.input["schema"]).validate(case.target)
        if case.id in originals:
            assert values(case.target) == values(originals[case.id].target), case.id
        properties = case.input["schema"]["properties"]
        assert list(case.target) == [key for key in properties if key in case.target], case.id


def test_a_group_is_one_schema_in_one_prompt_and_groups_differ(mixed):
    for group in mixed:
        assert len({str(sample.sample.input["schema"]) for sample in group}) == 1
        assert len({str(sample.messages[:-1]) for sample in group}) == 1
    usual = TASK.prompts[training_data.PROMPT]
    as_usual = [group[0].messages == usual.messages(group[0].sample) for group in mixed]
    assert 0.35 < sum(as_usual) / len(mixed) < 0.65
    names = {key for group in mixed for key in group[0].sample.input["schema"]["properties"]}
    assert {"-", "_"} <= set("".join(names)) and any(name != name.lower() for name in names)


def test_shares_of_partial_and_restructured_groups_are_those_of_the_mix():
    def learned(**shares):
        cases = (group[0].sample for group in groups(train=0.5, seed=2, size=1, **shares))
        return {case.id: case for case in cases}

    plain, size = learned(), lambda schema: len(schemas.leaves(schema))

    def changed(cases, feature) -> float:
        pairs = ((cases[name].input["schema"], plain[name].input["schema"]) for name in plain)
        return sum(feature(a) != feature(b) for a, b in pairs) / len(plain)

    nested = learned(restructured=0.5)
    assert 0.35 < changed(learned(partial=0.5), size) < 0.55
    assert changed(nested, size) == 0 and 0.2 < changed(nested, schemas.shape) < 0.5
    for case in (*nested.values(), *learned(partial=1, restructured=1).values()):
        io.Draft202012Validator(case.input["schema"]).validate(case.target)


def test_a_share_of_the_split_has_all_its_schemas_and_tiers():
    """Otherwise a smaller share would be other data, and not less of it."""
    every = {case.group for case in TASK.load("train")}
    for share in (0.25, 0.5):
        cases = [sample.sample for group in groups(train=share) for sample in group]
        assert {case.group for case in cases} == every
        tiers = Counter(case.slices["tier"] for case in cases)
        assert tiers["simple"] == tiers["medium"] == 2 * tiers["complex"] == 0.4 * share * 800


def test_evaluations_of_a_training_have_every_tier():
    for name in recipes.names():
        evaluation = recipes.load(name)["evaluation"]
        for count in filter(None, (evaluation["loss"], evaluation["answers"])):
            tiers = {case.slices["tier"] for case in TASK.load("val", limit=count)}
            assert count < 5 or tiers == {"simple", "medium", "complex"}, name


def test_the_seed_decides_everything():
    small = {"train": 0.1, "extended": 10}
    assert groups(seed=5, **small) == groups(seed=5, **small) != groups(seed=6, **small)


def test_counts_tell_designed_from_composed_schemas():
    """Blocks of generated cases alternate between them; `train` is designed."""
    samples = [sample for group in groups(train=0.01, extended=40) for sample in group]
    counts = TRAINING.describe(samples)
    assert (counts["train"], counts["train_extended"]) == (8, 40)
    assert (counts["designed_cases"], counts["composed_cases"]) == (28, 20)
    ours = {
        sample.sample.group for sample in samples if sample.sample.slices["origin"] == "designed"
    }
    assert ours <= {case.group for case in TASK.load("train")}


def test_a_blind_mix_shows_no_schema():
    mix = DEFAULTS | {"train": 0.01, "show_schema": False}
    sample, *_ = TRAINING.samples(mix, seed=1, group_size=1)
    assert "properties" not in sample.messages[-1]["content"]
    assert TRAINING.prompt(mix) == "zero-shot-text"


def test_the_registers_of_a_recipe_are_those_of_the_data():
    listed = TRAINING.schema["properties"]["registers"]["items"]["enum"]
    assert set(listed) == set(templates.TEXT_STYLES)
    some = [s.sample for group in groups(registers=["form"], extended=4) for s in group]
    assert {case.slices["register"] for case in some} == {"form"}


def test_another_prompt_has_one_wording_and_its_own_form_of_answers():
    mix = {"prompt": "zero-shot-compact-nulls", "train": 0.05, "keys": 0.1, "decisions": 2}
    for sample in (each for group in groups(**mix) for each in group):
        prompt = TASK.prompts[mix["prompt"]]
        assert sample.messages == prompt.messages(sample.sample)
        assert json.loads(prompt.read(sample.sample, sample.answer)) == sample.sample.target
        learned = {weight for _, _, weight in sample.weights}
        assert {0.1, 1} <= learned <= {0.1, 1, 2}
    (example,) = TRAINING.examples(TASK.load("val", limit=1), DEFAULTS | mix)
    assert example.messages == TASK.prompts[mix["prompt"]].messages(example.sample)
