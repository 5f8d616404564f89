"""A toy network, thousands of times too small, with the embedded model's own tokenizer."""

from slmlib.core import paths
from slmlib.models import registry, weights


def write(name: str = "toy-1m") -> registry.Model:
    """Put the toy into the local model folder, if it is not there; returns its registry entry."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = paths.models() / name
    entry = registry.Model(name, "Apache-2.0", 800_000, "toy/toy-1m", hub="toy/toy-1m")
    if folder.exists():
        return entry
    vocabulary = weights.vocabulary("smollm2-135m-instruct")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary.tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=vocabulary.tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    vocabulary.tokenizer.save_pretrained(folder)
    return entry
