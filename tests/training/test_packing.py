"""Packing: would break if a case in a pack was learned from otherwise than by itself."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from slmlib.training import packing
from slmlib.training.packing import Example

PREFIX = list(range(10, 30))
GROUPS = [
    [Example("a", [*PREFIX, 40, 41], [50, 51, 2]), Example("b", [*PREFIX, 42], [52, 2])],
    [Example("c", [60, 61, 62], [53, 54, 55, 2])],
    [Example("d", [*PREFIX, 43], [56, 2]), Example("e", [*PREFIX, 44, 45], [57, 58, 2])],
]


@pytest.fixture
def network():
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32}
    network = LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=2, num_attention_heads=2))
    packing.prepare(network)
    return network


@pytest.fixture(scope="module")
def long_pack() -> packing.Pack:
    """Trees that begin and end within blocks of the mask, and some that span them."""
    sizes = [(30, 5), (150, 40), (10, 90), (200, 150), (20, 7)]
    groups = [
        [
            Example(f"{n}.{i}", [*[n] * prefix, *[20 + i] * rest], [30 + i, 2])
            for i in range(3)
        ]
        for n, (prefix, rest) in enumerate(sizes)
    ]  # fmt: skip
    (pack,) = packing.pack(groups, limit=3000)
    return pack


def gradients(network) -> dict:
    return {name: weight.grad.clone() for name, weight in network.named_parameters()}


def test_a_pack_teaches_what_its_cases_teach_alone(network):
    """Losses and gradients are sums over the cases, as from transformers' own loss on each."""
    packed = alone = 0.0
    for pack in packing.pack(GROUPS, limit=80):
        loss = packing.loss(network, packing.inputs(pack))
        loss.backward()
        packed += loss.item()
    together = gradients(network)
    network.zero_grad()
    for example in (example for group in GROUPS for example in group):
        tokens = torch.tensor([[*example.prompt, *example.answer]])
        labels = tokens.clone()
        labels[:, : len(example.prompt)] = -100
        loss = network(input_ids=tokens, labels=labels).loss * len(example.answer)
        loss.backward()
        alone += loss.item()
    assert packed == pytest.approx(alone, rel=1e-5)
    for name, gradient in gradients(network).items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-3, atol=1e-5)


def test_tokens_count_as_their_weights_say(network):
    """A token of weight 0 is read and not learned; the others are in proportion."""
    example = Example("a", [1, 2, 3], [50, 51, 2], weights=[2.0, 0.0, 0.5])
    (pack,) = packing.pack([[example]], limit=20)
    batch = packing.inputs(pack)
    assert batch["labels"].tolist() == [50, 2] and pack.weight == 2.5
    logits = network(input_ids=torch.tensor([[*example.prompt, *example.answer]])).logits[0]
    surprise = -logits.log_softmax(-1)
    expected = 2 * surprise[2, 50] + 0.5 * surprise[4, 2]
    torch.testing.assert_close(packing.loss(network, batch), expected)
    joined = packing.join([pack, pack])
    assert packing.loss(network, packing.inputs(joined)).item() == pytest.approx(
        2 * expected.item()
    )


def test_a_shared_prefix_is_read_once():
    (pack,) = packing.pack(GROUPS[:1], limit=80)
    assert len(pack) == 20 + (2 + 3) + (1 + 2) < sum(map(len, GROUPS[0]))
    batch = packing.inputs(pack)
    assert batch["position_ids"][0, 20:].tolist() == [20, 21, 22, 23, 24, 20, 21, 22]
    assert batch["labels"].tolist() == [50, 51, 2, 52, 2] and pack.weight == 5
    assert pack.cases == ["a", "b"]


def test_equal_prompts_keep_a_token_each():
    same = [Example("a", [1, 2, 3], [4]), Example("b", [1, 2, 3], [5])]
    (pack,) = packing.pack([same], limit=20)
    assert packing.shared_prefix(same) == 2 and pack.tokens.tolist() == [1, 2, 3, 4, 3, 5]


def test_a_branch_sees_its_prefix_and_itself():
    """By the mask, and by the spans in which a CPU computes it."""
    (pack,) = packing.pack(GROUPS[:2], limit=80)
    seen, first_of_b = packing.mask(pack)[0, 0], 25
    assert seen[first_of_b, :20].all() and seen[first_of_b, first_of_b]
    assert not seen[first_of_b, 20:25].any() and not seen[first_of_b, 26:].any()
    assert not seen[28:, :28].any()  # the second group is a tree of its own
    spanned = torch.zeros_like(seen)
    for start, end, first, last in packing.layout(pack).spans:
        spanned[start:end, first:last] = True
        spanned[start:end, start:end] = torch.ones(end - start, end - start).bool().tril()
    assert torch.equal(spanned, seen)


def test_other_inputs_are_read_as_before(network):
    """Padded batches, as generation and evaluation send them."""
    tokens = torch.tensor([[3, 4, 5, 6], [0, 0, 7, 8]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    prepared = network(input_ids=tokens, attention_mask=mask).logits
    network.set_attn_implementation("sdpa")
    assert torch.equal(network(input_ids=tokens, attention_mask=mask).logits, prepared)


def test_packs_respect_the_limit_and_lose_nothing():
    for limit in (26, 30, 40, 200):
        packs = list(packing.pack(GROUPS, limit=limit))
        assert all(len(pack) <= limit for pack in packs), limit
        assert [case for pack in packs for case in pack.cases] == [*"abcde"], limit


def test_one_kernel_and_packs_side_by_side_give_the_same_loss(network):
    """As a GPU reads them, here forward only: a block mask over padded packs."""
    packs = list(packing.pack(GROUPS, limit=30))
    assert len(packs) == 3
    with torch.no_grad():
        apart = sum(packing.loss(network, packing.inputs(pack)).item() for pack in packs)
        for length in (0, 128):
            joined = packing.inputs(packing.join(packs), length=length)
            assert packing.loss(network, joined).item() == pytest.approx(apart, rel=1e-5)


def test_no_block_is_skipped_in_which_something_is_seen(long_pack):
    """And many blocks are skipped; the kernel looks into no other."""
    count = len(long_pack) // packing.BLOCK + 2
    length = count * packing.BLOCK
    seen = torch.zeros(length, length, dtype=torch.bool)
    seen[: len(long_pack), : len(long_pack)] = packing.mask(long_pack)[0, 0]
    needed = seen.view(count, packing.BLOCK, count, packing.BLOCK).any(3).any(1)
    trees = packing.inputs(long_pack, length=length)["trees"]
    listed = packing.block_mask(trees).to_dense()[0, 0].bool()
    assert count >= 8 and not (needed & ~listed).any()
    assert listed.sum() < 0.6 * count * (count + 1) / 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a kernel for GPUs")
def test_the_compiled_kernel_teaches_the_same(long_pack):
    """Losses and gradients in fp32, from span to span and as one kernel, on a GPU."""
    torch.manual_seed(0)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}  # of 16 dimensions, the minimum
    sizes = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 2}
    network = LlamaForCausalLM(LlamaConfig(**sizes, **heads)).cuda()
    packing.prepare(network)
    results = []
    for length in (0, len(long_pack) + 1):
        if length:
            packing.compile_layers(network)
        batch = packing.inputs(long_pack, length=length)
        batch = {n: v.cuda() if torch.is_tensor(v) else v for n, v in batch.items()}
        network.zero_grad()
        loss = packing.loss(network, batch)
        loss.backward()
        results.append((loss.item(), gradients(network)))
    (spans, one), (blocks, other) = results
    assert blocks == pytest.approx(spans, rel=1e-3)
    for name, gradient in one.items():
        torch.testing.assert_close(other[name], gradient, rtol=1e-2, atol=1e-3)
