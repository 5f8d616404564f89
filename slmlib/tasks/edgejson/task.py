"""EdgeJSON as a task: a text and a JSON Schema in, the JSON object that the text decides out."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import ClassVar

from slmlib.engines.base import JsonSchema, Message
from slmlib.tasks.base import Metric, Prompt, Sample, Score, Slice, Split, Task, Transcript
from slmlib.tasks.edgejson import (
    null_form,
    prompts,
    render,
    report,
    rules,
    schemas,
    scoring,
    training_data,
)


class EdgeJSON(Task):
    """See `Task`; the definitions of the metrics are in `scoring`."""

    name = "edgejson"
    title = "EdgeJSON"
    about = "A text and a JSON Schema in, the JSON object that the text decides out."
    version = "2.1.0"
    scorer_version = scoring.VERSION
    splits = (
        Split("train", "train", "schemas of `test`, other texts"),
        Split("val", "val", "for choices during training"),
        Split("test", "test", "schemas of `train`; new structures, people, firms and records"),
        Split("test_unseen", "test", "schemas and domains of no other split"),
        Split("test_noisy", "test", "schemas and structures of `test`, new values, noisy texts"),
    )
    ranking_split = "test_unseen"
    slices = (
        Slice("tier", "Tier", ("simple", "medium", "complex")),
        Slice("origin", "Schemas", ("designed", "composed")),
        Slice("register", "Register"),
        Slice("noise", "Noise"),
    )
    metrics = (
        Metric(
            "json_exact", "JSONExact", "proportion", "the answer equals the target in every leaf"
        ),
        Metric("field_f1", "FieldF1", "mean", "F1 over the leaves of an answer, mean over cases"),
        Metric(
            "presence",
            "Presence",
            "macro",
            "balanced accuracy of the decisions to fill or to leave out an optional field; "
            "chance is 0.5",
        ),
        Metric(
            "schema_compliance",
            "SchemaCompliance",
            "proportion",
            "the answer is valid under its schema",
        ),
        Metric(
            "json_exact_lenient",
            "JSONExact, lenient",
            "proportion",
            "JSONExact of the first complete JSON value in the completion",
            board=False,
        ),
        Metric(
            "field_f1_micro",
            "FieldF1, micro",
            "ratio",
            "F1 over the leaves of all cases",
            board=False,
        ),
    )
    failures = scoring.FAILURE_TITLES
    prompts = prompts.PROMPTS
    default_prompts: ClassVar = {"free": "one-shot", "constrained": "one-shot-schema"}
    max_new_tokens = 400
    stop = "json"
    timing_slice = ("tier", "simple")
    timed_split = "test"
    completion_modules = (
        "task.py",
        "prompts.py",
        "schemas.py",
        "compact_schema.py",
        "null_form.py",
    )
    training = training_data
    report = report
    show = staticmethod(render.shown)
    showcase = staticmethod(render.showcase)

    def constraint(self, sample: Sample, prompt: Prompt) -> JsonSchema:
        """The answer is valid under the sample's schema, in the form that the prompt asks for."""
        schema = sample.input["schema"]
        return JsonSchema(null_form.schema_of(schema) if prompt.form == prompts.NULLS else schema)

    def score(self, sample: Sample, transcript: Transcript) -> Score:
        """Score the last completion; never raises."""
        return scoring.score_json(
            transcript.answers[-1],
            target=sample.target,
            schema=sample.input["schema"],
            text=sample.input["text"],
            evidence=sample.meta["evidence"],
            finish=transcript.last.finish,
        )

    @cached_property
    def controls(self) -> dict[str, Callable[[Sample, Sequence[Message]], str]]:
        """No answer, the right answer, and an extractor made of patterns."""
        return {
            "no-op": lambda sample, messages: "",
            "oracle": lambda sample, messages: schemas.compact(sample.target),
            "rules": lambda sample, messages: rules.extract(sample),
        }

    @property
    def generator(self):
        """The generator of the data set."""
        from slmlib.tasks.edgejson.generate import dataset  # reads all texts and entities

        return dataset

    def breaks_constraint(self, row: Mapping) -> bool:
        """Return whether the answer is not valid under its schema."""
        return row["scores"]["schema_compliance"] == 0

    def render(self, sample: Sample, row: Mapping, *, model: str) -> str:
        """Text, fields, target and answer of a case."""
        return render.case(sample, row, model=model)

    def render_score(self, sample: Sample, row: Mapping) -> str:
        """Each leaf of target and answer with its outcome, and the scores."""
        return f"{render.outcomes(sample, row)}\n{super().render_score(sample, row)}"


TASK = EdgeJSON()
