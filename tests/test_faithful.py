"""Faithful engines: would break if a faster path answered something else than the plain loop.

The plain loop is the library's own `generate`: one case at a time, fp32, greedy. Every token of the first
answers to 100 real cases is compared. In fp32 a difference has to be a numerical tie: the plain loop's two
best tokens lie closer together than the rounding of an engine can tell. In fewer bits it is reported.
"""

import pytest

from slmlib import engines, tasks
from slmlib.engines import Request, rows

CASES, TOKENS = 100, 64
TIE = 0.05  # between logits of about 20; sixteen-bit weights move them by a hundredth


def requests() -> list[Request]:
    task = tasks.get("edgejson")
    prompt = task.prompts[task.usual["free"]]
    return [Request(e.id, prompt.messages(e), TOKENS, "none") for e in task.load("val")[:CASES]]


@pytest.fixture(scope="module")
def plain(loaded) -> dict[str, list[int]]:
    """The plain loop's tokens, by id."""
    import torch

    found = {}
    for request in requests():
        prompt = torch.tensor([rows.encode(loaded.tokenizer, request)])
        made = loaded.network.generate(prompt, do_sample=False, max_new_tokens=TOKENS)
        found[request.id] = made[0, prompt.shape[1] :].tolist()
    return found


def gap(loaded, request: Request, tokens: list[int]) -> float:
    """Distance between the two best logits behind these tokens, unbatched and in fp32."""
    import torch

    with torch.inference_mode():
        text = torch.tensor([rows.encode(loaded.tokenizer, request) + tokens])
        best = loaded.network(text).logits[0, -1].topk(2).values
    return float(best[0] - best[1])


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(
    ("engine", "dtype", "exact"),
    [
        ("transformers", "float32", True),
        ("openvino", "float32", True),
        ("llamacpp", "f16", False),  # its sums are in sixteen bits in part
        ("transformers", "bfloat16", False),
        ("openvino", "bfloat16", False),
        ("llamacpp", "q8_0", False),
    ],
)
def test_answers_are_those_of_the_plain_loop(engine, dtype, exact, plain, loaded, capsys):
    running = engines.start(engine, "smollm2-135m-instruct", dtype=dtype, batch_size=16)
    asked = {request.id: request for request in requests()}
    found = {c.id: c for batch in running.batches(list(asked.values())) for c in running.generate(batch)}
    gaps = []
    for name, request in asked.items():
        text = loaded.tokenizer.decode(plain[name], skip_special_tokens=True)
        if found[name].text != text:
            ours = loaded.tokenizer(found[name].text, add_special_tokens=False)["input_ids"]
            same = next((i for i, (a, b) in enumerate(zip(ours, plain[name], strict=False)) if a != b), 0)
            gaps.append(round(gap(loaded, request, plain[name][:same]), 4))
    with capsys.disabled():
        print(
            f"\n{engine} {dtype}: {len(gaps)} of {CASES} answers differ; gaps of logits there: {sorted(gaps)}"
        )
    assert len(found) == CASES and all(c.finish != "error" for c in found.values())
    if exact:
        assert max(gaps, default=0) < TIE
    else:
        assert len(gaps) < CASES / 2
