"""EdgeJSON as a task: how its cases are asked, parsed and scored."""

from slmlib.tasks.base import Sample, Task
from slmlib.tasks.edgejson import prompts, rules, schemas, scoring


def _score(example: Sample, completion: str, finish: str) -> scoring.Score:
    return scoring.score_json(
        completion,
        target=example.target,
        schema=example.input["schema"],
        text=example.input["text"],
        evidence=example.meta["evidence"],
        finish=finish,
    )


def _oracle(example: Sample) -> str:
    return schemas.compact(example.target)


TASK = Task(
    name="edgejson",
    title="EdgeJSON",
    version="2.0.0",
    splits=("train", "val", "test", "test_unseen", "test_noisy"),
    prompts=prompts.PROMPTS,
    usual={"free": "one-shot", "schema": "one-shot-schema"},
    trained=prompts.TRAINED,
    metrics={
        "json_exact": "proportion",
        "field_f1": "mean",
        "schema_compliance": "proportion",
        "json_exact_lenient": "proportion",
    },
    max_new_tokens=400,
    stop="json",
    parse=scoring.parse,
    score=_score,
    rules=rules.extract,
    oracle=_oracle,
    ratios={"field_f1_micro": scoring.f1_terms},
)
