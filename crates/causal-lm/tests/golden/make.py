"""Random small checkpoints by transformers and peft, with their logits, greedy tokens and adapter outputs.

    pip install -r requirements.txt && python make.py

writes one folder for each shape beside this file.
"""

import json
import pathlib
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

PROMPTS = [[5, 9, 33, 2, 17, 60], [7, 7, 1]]
COMMON = dict(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=256, bos_token_id=1, eos_token_id=None, pad_token_id=0,
)
SHAPES = {
    "llama3": (LlamaForCausalLM, LlamaConfig(
        **COMMON, num_key_value_heads=2, rope_theta=500000.0, tie_word_embeddings=True, rms_norm_eps=1e-5,
        rope_scaling=dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                          original_max_position_embeddings=64))),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(
        **COMMON, num_key_value_heads=2, rope_theta=1e6, tie_word_embeddings=True, rms_norm_eps=1e-6)),
    "smollm2": (LlamaForCausalLM, LlamaConfig(
        **COMMON, num_key_value_heads=1, rope_theta=100000.0, tie_word_embeddings=True, rms_norm_eps=1e-5)),
    "tinyllama": (LlamaForCausalLM, LlamaConfig(
        **COMMON, num_key_value_heads=4, rope_theta=10000.0, tie_word_embeddings=False, rms_norm_eps=1e-5)),
}


def randomise(model, sd=0.3):
    for name, parameter in model.named_parameters():
        values = torch.randn_like(parameter) * sd
        parameter.data = values + 1.0 if "norm" in name else values


@torch.no_grad()
def greedy(model, prompt, steps=64):
    ids = list(prompt)
    for _ in range(steps):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt):]


@torch.no_grad()
def logits(model):
    return [model(torch.tensor([prompt])).logits[0].flatten().tolist() for prompt in PROMPTS]


def main():
    torch.set_num_threads(1)
    here = pathlib.Path(__file__).parent
    for seed, (name, (kind, config)) in enumerate(SHAPES.items()):
        torch.manual_seed(seed)
        model = kind(config).eval()
        randomise(model)
        folder = here / name
        shutil.rmtree(folder, ignore_errors=True)
        # The last one in shards.
        model.save_pretrained(folder, max_shard_size="16KB" if name == "tinyllama" else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        golden = dict(prompts=PROMPTS, logits=logits(model), greedy=[greedy(model, p) for p in PROMPTS])
        if name == "qwen2":
            settings = LoraConfig(r=2, lora_alpha=6, lora_dropout=0.1, task_type="CAUSAL_LM",
                                  target_modules=["q_proj", "v_proj", "o_proj", "down_proj"])
            tuned = get_peft_model(model, settings).eval()
            for key, parameter in tuned.named_parameters():
                if "lora_" in key:
                    parameter.data = torch.randn_like(parameter) * 0.3
            tuned.save_pretrained(folder / "adapter")
            (folder / "adapter" / "README.md").unlink(missing_ok=True)
            golden["adapter_logits"] = logits(tuned)
        (folder / "golden.json").write_text(json.dumps(golden))


def read_back():
    """`make.py FOLDER ADAPTER`: the logits of what was saved elsewhere, as JSON on the standard output."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    plain = logits(model)
    tuned = logits(PeftModel.from_pretrained(model, sys.argv[2]).eval())
    print(json.dumps(dict(logits=plain, adapter_logits=tuned)))


if __name__ == "__main__":
    read_back() if len(sys.argv) > 1 else main()
