"""The training set: would break if a sample was cut or lost, or a kept set was out of date."""

from dataclasses import replace

import pytest
import toy
import toy_training

from slmlib.models import weights
from slmlib.tasks.base import Sample, TrainingSample
from slmlib.training import sft, training_set


@pytest.fixture(scope="module")
def vocabulary(home):
    return weights.vocabulary("toy-1m")


def cases(built: training_set.TrainingSet) -> list[str]:
    return [case for pack in built.packs for case in pack.cases]


def test_the_same_seed_gives_the_same_set(recipe, vocabulary):
    first, second, other = (
        training_set.build(recipe(seed=seed), vocabulary).sha256 for seed in (1, 1, 2)
    )
    assert first == second != other


def test_too_long_samples_are_left_out_and_counted(recipe, vocabulary, monkeypatch):
    """By the size of a pack, or by the context of the model."""
    sample = toy_training.ToyTraining._sample

    def longer(self, one: Sample, group: str) -> TrainingSample:
        text = one.input["text"] + " Nice to meet you." * (5 * int(one.id.rpartition("-")[2]) % 7)
        return sample(self, replace(one, input={**one.input, "text": text}), group)

    monkeypatch.setattr(toy_training.ToyTraining, "_sample", longer)
    every = training_set.build(recipe(batch={"tokens": 4000}), vocabulary)
    some = training_set.build(recipe(batch={"tokens": 64}), vocabulary)
    assert every.left_out == 0 < some.left_out < every.cases
    assert some.cases == len(cases(some)) == every.cases - some.left_out
    assert some.tasks == {"toy": {"cases": some.cases}}
    short_context = replace(vocabulary, context=64)
    assert cases(training_set.build(recipe(batch={"tokens": 4000}), short_context)) == cases(some)


def test_the_groups_of_several_tasks_are_mixed(recipe, vocabulary):
    both = recipe(data={"toy": {"people": 12}, "toylabels": {"people": 12}})
    built = training_set.build(both, vocabulary)
    assert built.tasks == {"toy": {"cases": 12}, "toylabels": {"cases": 12}}
    order = [case.partition("-")[0] for case in cases(built)]
    assert order not in (sorted(order), sorted(order, reverse=True)) and built.groups == 8
    alone = training_set.build(recipe(data={"toy": {"people": 12}}), vocabulary)
    assert {case for case in cases(built) if case.startswith("toy-")} == set(cases(alone))
    losses = training_set.validation(both, vocabulary.tokenizer)
    assert [pack.cases[0] for pack in losses] == [
        f"{task}-val-{i}" for task in ("toy", "toylabels") for i in (0, 1)
    ]


def test_a_sample_is_tokenized_as_a_request_is(vocabulary):
    """In the chat template, or without; a model that has none gets its tokenizer's first token."""

    class Plain:
        chat_template, eos_token_id = None, 9

        def __call__(self, text, add_special_tokens):
            return {"input_ids": [1] * add_special_tokens + [2]}

    messages = [{"role": "user", "content": "Who?"}]
    sample = Sample("a", "toy", "train", "g", {}, {"text": "", "schema": toy.SCHEMA}, {}, {})
    asked = TrainingSample(sample, messages, "I", "g")
    example = training_set.tokenize(asked, Plain())
    assert (example.id, example.prompt, example.answer) == ("a", [1, 2], [2, 9])
    tokenizer = vocabulary.tokenizer
    templated, plain = (
        tokenizer.decode(training_set.tokenize(replace(asked, chat=chat), tokenizer).prompt)
        for chat in (True, False)
    )
    assert "<|im_start|>user\nWho?" in templated and plain == "Who?\n"


def test_a_set_is_built_once_and_again_if_it_is_damaged_or_its_generators_change(
    recipe, tmp_path, monkeypatch
):
    settings, builds, build = recipe(), [], training_set.build
    monkeypatch.setattr(
        training_set, "build", lambda *arguments: builds.append(1) or build(*arguments)
    )
    path = sft.train(settings, out=tmp_path, until=0) / training_set.FILE
    content = path.read_bytes()
    vocabulary = weights.vocabulary("toy-1m")
    loaded = training_set.load_or_build(settings, vocabulary, path.parent)
    assert len(builds) == 1
    assert loaded.sha256 == build(settings, vocabulary).sha256 and len(cases(loaded)) == 26
    path.write_bytes(content[:-10])
    sft.train(settings, out=tmp_path, until=0)
    assert len(builds) == 2 and path.read_bytes() == content
    monkeypatch.setattr(training_set, "_sources_sha256", lambda recipe: "edited")
    sft.train(settings, out=tmp_path, until=0)
    sft.train(settings, out=tmp_path, until=0)
    assert len(builds) == 3


def test_weights_belong_to_the_tokens_of_their_stretches(vocabulary):
    """A token may begin before its stretch, with the space, or end behind it."""
    case = Sample(**toy.TASK.build()["val"][0])
    answer, stretches = '{"name": "Ann", "age": 31}', [(9, 14, 1.0), (23, 25, 2.0)]
    message = {"role": "user", "content": "Who?"}
    given = TrainingSample(case, [message], answer, "0", weights=stretches)
    example = training_set.tokenize(given, vocabulary.tokenizer)
    words = [vocabulary.tokenizer.decode([token]) for token in example.answer]
    learned = [(word, w) for word, w in zip(words, example.weights, strict=True) if w]
    assert "".join(word for word, w in learned if w == 2).strip() == "31"
    assert "Ann" in "".join(word for word, _ in learned) and "age" not in "".join(
        w for w, _ in learned
    )
    assert example.weights[-1] == 1 and example.weights[0] == 0
