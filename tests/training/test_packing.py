"""Packing: would break if a case in a pack were learnt from otherwise than by itself."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from slmlib.training import packing
from slmlib.training.packing import Question

BEGINNING = list(range(10, 30))
LESSONS = [
    [Question("a", [*BEGINNING, 40, 41], [50, 51, 2]), Question("b", [*BEGINNING, 42], [52, 2])],
    [Question("c", [60, 61, 62], [53, 54, 55, 2])],
    [Question("d", [*BEGINNING, 43], [56, 2]), Question("e", [*BEGINNING, 44, 45], [57, 58, 2])],
]


@pytest.fixture
def network():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    network = LlamaForCausalLM(config)
    packing.prepare(network)
    return network


def gradients(network) -> dict:
    return {name: weight.grad.clone() for name, weight in network.named_parameters()}


def test_a_pack_teaches_what_its_cases_teach_alone(network):
    """Losses and gradients are sums over the cases, as of the library's own loss on each by itself."""
    packed = 0.0
    for pack in packing.pack(LESSONS, limit=80):
        found = packing.loss(network, packing.inputs(pack))
        found.backward()
        packed += found.item()
    together = gradients(network)
    network.zero_grad()
    alone = 0.0
    for question in (question for lesson in LESSONS for question in lesson):
        tokens = torch.tensor([[*question.prompt, *question.answer]])
        labels = tokens.clone()
        labels[:, : len(question.prompt)] = -100
        found = network(input_ids=tokens, labels=labels).loss * len(question.answer)
        found.backward()
        alone += found.item()
    assert packed == pytest.approx(alone, rel=1e-5)
    for name, gradient in gradients(network).items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-3, atol=1e-5)


def test_what_is_shared_is_read_once():
    (pack,) = packing.pack(LESSONS[:1], limit=80)
    assert len(pack) == 20 + (2 + 3) + (1 + 2) < sum(map(len, LESSONS[0]))
    found = packing.inputs(pack)
    assert found["position_ids"][0, 20:].tolist() == [20, 21, 22, 23, 24, 20, 21, 22]
    assert found["labels"].tolist() == [50, 51, 2, 52, 2] and pack.cases == ["a", "b"]
    assert pack.answered == 5


def test_a_branch_sees_the_beginning_and_itself():
    (pack,) = packing.pack(LESSONS[:2], limit=80)
    seen = packing.mask(pack)[0, 0]
    first_of_b = 25
    assert seen[first_of_b, :20].all() and seen[first_of_b, first_of_b]
    assert not seen[first_of_b, 20:25].any() and not seen[first_of_b, 26:].any()
    assert not seen[28:, :28].any()  # the second lesson is a tree of its own


def test_spans_see_what_the_mask_says(network):
    """Each stretch and what it sees, written out, is the mask of the pack."""
    for pack in packing.pack(LESSONS, limit=80):
        seen = torch.zeros(len(pack), len(pack), dtype=torch.bool)
        for start, end, first, last in packing.layout(pack).spans:
            seen[start:end, first:last] = True
            seen[start:end, start:end] = torch.ones(end - start, end - start, dtype=torch.bool).tril()
        assert torch.equal(seen, packing.mask(pack)[0, 0])


def test_a_prepared_network_reads_other_input_as_before(network):
    """Padded batches, as generation and evaluation send them."""
    tokens = torch.tensor([[3, 4, 5, 6], [0, 0, 7, 8]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    prepared = network(input_ids=tokens, attention_mask=mask).logits
    network.set_attn_implementation("sdpa")
    assert torch.equal(network(input_ids=tokens, attention_mask=mask).logits, prepared)


@pytest.mark.parametrize("limit", [26, 30, 40, 200])
def test_packs_keep_to_the_limit_and_lose_nothing(limit):
    packs = list(packing.pack(LESSONS, limit=limit))
    assert all(len(pack) <= limit for pack in packs)
    assert [case for pack in packs for case in pack.cases] == ["a", "b", "c", "d", "e"]


def test_a_case_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="a has 25 tokens, and a pack takes 24"):
        list(packing.pack(LESSONS, limit=24))


def test_prompts_that_are_equal_keep_a_token_each():
    same = [Question("a", [1, 2, 3], [4]), Question("b", [1, 2, 3], [5])]
    (pack,) = packing.pack([same], limit=20)
    assert packing.shared(same) == 2 and pack.tokens.tolist() == [1, 2, 3, 4, 3, 5]


def test_one_kernel_over_a_pack_reads_the_same(network):
    """What a GPU does, here as it is written and forward only: a mask in blocks over a pack filled up."""
    for pack in packing.pack(LESSONS, limit=80):
        with torch.no_grad():
            spans, blocks = (packing.loss(network, packing.inputs(pack, length=n)).item() for n in (0, 128))
        assert blocks == pytest.approx(spans, rel=1e-5)


def long_pack() -> packing.Pack:
    """Trees that begin and end within blocks, and some that span them."""
    sizes = [(30, 5), (150, 40), (10, 90), (200, 150), (20, 7)]
    lessons = [
        [Question(f"{n}.{i}", [*[n] * beginning, *[20 + i] * rest], [30 + i, 2]) for i in range(3)]
        for n, (beginning, rest) in enumerate(sizes)
    ]
    (pack,) = packing.pack(lessons, limit=3000)
    return pack


def test_no_block_is_skipped_in_which_something_is_seen():
    """And many are; the kernel looks into no other."""
    pack = long_pack()
    length = packing.filled(len(pack) + packing.BLOCK)
    count = length // packing.BLOCK
    seen = torch.zeros(length, length, dtype=torch.bool)
    seen[: len(pack), : len(pack)] = packing.mask(pack)[0, 0]
    wanted = seen.view(count, packing.BLOCK, count, packing.BLOCK).any(3).any(1)
    listed = packing._blocks(packing.inputs(pack, length=length)["trees"]).to_dense()[0, 0].bool()
    assert count >= 8 and not (wanted & ~listed).any()
    assert listed.sum() < 0.6 * count * (count + 1) / 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a kernel for GPUs")
def test_the_compiled_kernel_teaches_the_same():
    """Losses and gradients in fp32, from span to span and as one kernel, on a GPU."""
    torch.manual_seed(0)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}  # of 16 places, the least that it takes
    sizes = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 2}
    network = LlamaForCausalLM(LlamaConfig(**sizes, **heads)).cuda()
    packing.prepare(network)
    pack, found = long_pack(), []
    for length in (0, packing.filled(len(pack) + 1)):
        if length:
            packing.compile_layers(network)
        given = packing.inputs(pack, length=length)
        given = {n: v.cuda() if torch.is_tensor(v) else v for n, v in given.items()}
        network.zero_grad()
        loss = packing.loss(network, given)
        loss.backward()
        found.append((loss.item(), gradients(network)))
    (spans, one), (blocks, other) = found
    assert blocks == pytest.approx(spans, rel=1e-3)
    for name, gradient in one.items():
        torch.testing.assert_close(other[name], gradient, rtol=1e-2, atol=1e-3)


def test_packs_side_by_side_are_one(network):
    """Whichever way it is read."""
    packs = list(packing.pack(LESSONS, limit=30))
    assert len(packs) == 3
    with torch.no_grad():
        apart = sum(packing.loss(network, packing.inputs(pack)).item() for pack in packs)
        for length in (0, 128):
            together = packing.loss(network, packing.inputs(packing.joined(packs), length=length)).item()
            assert together == pytest.approx(apart, rel=1e-5)


def test_packs_are_the_same_from_a_file(tmp_path):
    packs = list(packing.pack(LESSONS, limit=40))
    packing.save(packs, tmp_path / "packs.safetensors")
    for before, after in zip(packs, packing.load(tmp_path / "packs.safetensors"), strict=True):
        assert before.tokens.tolist() == after.tokens.tolist()
        assert (before.trees, before.cases) == (after.trees, after.cases)
