"""A model that servers load: a random Llama of a few million parameters, with a tokeniser of bytes."""

from __future__ import annotations

from pathlib import Path


def save(folder: Path) -> None:
    """Write it there. It answers in printable ASCII, so that each token is text, and never ends by itself."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {word: place for place, word in enumerate([*alphabet, "<s>", "</s>"])}
    config = AutoConfig.for_model(
        "llama", vocab_size=512, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, bos_token_id=words["<s>"], eos_token_id=words["</s>"],
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    printable = [words[letter] for letter in map(chr, range(33, 127))]
    with torch.no_grad():  # others get a logit of 0, and the greatest of these is above
        others = torch.ones(config.vocab_size, dtype=torch.bool)
        others[printable] = False
        model.lm_head.weight[others] = 0
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
