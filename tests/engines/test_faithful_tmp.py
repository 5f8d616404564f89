"""Faithful engines: would break if an engine answered something else than the library's own loop.

That loop is `generate` of transformers: one case at a time, fp32, greedy. Every token of the first
completions of real cases is compared. A difference has to be a tie: at the first other token, the
loop's logits of both tokens differ by no more than rounding does. In fp32 that is next to nothing;
it is more where weights, sums or both are rounded to fewer bits.
"""

from dataclasses import replace

import pytest

from slmlib.engines import launch, openvino
from slmlib.engines.sequences import SequenceState
from slmlib.tasks import base as tasks

MODEL, CASES, TOKENS = "smollm2-135m-instruct", 14, 40


def requests() -> list:
    """The first validation cases, without an early stop."""
    task = tasks.get("edgejson")
    prompt = task.prompts[task.default_prompt("free")]
    asked = [task.request(sample, prompt) for sample in task.load("val", limit=CASES)]
    return [replace(request, max_new_tokens=TOKENS, stop="eos") for request in asked]


@pytest.fixture(scope="module")
def plain(loaded) -> dict[str, list[int]]:
    """The loop's tokens, by id."""
    import torch

    completions = {}
    for request in requests():
        prompt = torch.tensor([SequenceState(request, loaded.vocabulary).prompt])
        output = loaded.network.generate(prompt, do_sample=False, max_new_tokens=TOKENS)
        completions[request.id] = output[0, prompt.shape[1] :].tolist()
    return completions


def gap(loaded, request, tokens: list[int], plain: list[int]) -> float:
    """By how much the loop prefers its own token where the completions part."""
    import torch

    pairs = enumerate(zip(tokens, plain, strict=False))
    parting = next((i for i, (a, b) in pairs if a != b), None)
    assert parting is not None, f"{request.id}: one completion goes on where the other one ends"
    prompt = SequenceState(request, loaded.vocabulary).prompt
    with torch.inference_mode():
        logits = loaded.network(torch.tensor([prompt + plain[:parting]])).logits[0, -1]
    return float(logits[plain[parting]] - logits[tokens[parting]])


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(
    ("engine", "dtype", "tie", "differences"),
    [  # logits are about 20; the last column is the share of completions that may differ
        ("transformers", "float32", 1e-3, 0.05),
        ("openvino", "float32", 0.05, 0.05),  # its weights are rounded to F16
        ("llamacpp", "f16", 0.2, 0.2),  # as are some of its sums
        ("transformers", "bfloat16", 1.0, 0.5),
        ("openvino", "bfloat16", 1.0, 0.5),
        ("llamacpp", "q8_0", 1.0, 0.5),
    ],
)
def test_completions_part_from_the_library_s_loop_at_ties_only(
    engine, dtype, tie, differences, plain, loaded, monkeypatch, capsys
):
    if (engine, dtype) == ("openvino", "bfloat16") and "BF16" not in openvino.kernels():
        pytest.skip("this CPU does not compute in bfloat16")
    tokens: dict[str, list[int]] = {}
    append = SequenceState.append

    def watched(sequence, token, start):
        tokens.setdefault(sequence.request.id, []).append(token)
        append(sequence, token, start)

    monkeypatch.setattr(SequenceState, "append", watched)
    running, asked = launch.start(engine, MODEL, dtype=dtype, batch_size=16), requests()
    completions = [c for batch in running.batches(asked) for c in running.generate(batch)]
    assert len(completions) == len(asked) and all(c.finish != "error" for c in completions)
    gaps = sorted(
        gap(loaded, request, tokens[request.id], plain[request.id])
        for request in asked
        if tokens[request.id] != plain[request.id]
    )
    with capsys.disabled():
        listed = ", ".join(f"{each:.4f}" for each in gaps)
        print(f"\n{engine} {dtype}: {len(gaps)} of {len(asked)} differ; gaps of logits: {listed}")
    assert max(gaps, default=0) < tie and len(gaps) <= differences * len(asked)
