"""Training and greedy decoding of a Llama by PyTorch and transformers, timed as `benches/src/language_model.rs` is.

    pip install -r crates/causal-lm/tests/golden/requirements.txt
    python benches/peers/torch_causal_lm.py 1m --threads 2
    python benches/peers/torch_causal_lm.py 0.5b --device cuda --dtype bf16

Prints each measurement as it is done and, last, one JSON object with all: best and median seconds, processor seconds of all threads, and tokens a second. Each step is a forward pass, a
backward pass, clipping at norm 1 and AdamW (torch's fused one). `sft` and `dpo` compute logits at completion positions only, as
ours do; `sft_all_logits` is what transformers does by itself.
"""

import argparse
import json
import statistics
import time

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM, LlamaConfig, LlamaForCausalLM

# Rows, prompt and completion of a step; set by the shape.
ROWS, PROMPT, COMPLETION = 16, 52, 12
SHAPES = {
    "1m": dict(vocab_size=2000, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
               num_key_value_heads=2),
    "5m": dict(vocab_size=2000, hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=8,
               num_key_value_heads=4),
    "0.1b": dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                 num_key_value_heads=3),
    "0.5b": dict(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
                 num_key_value_heads=2),
}


def log_probs(model, ids, all_logits=False):
    """Of the completions' tokens, `[rows, COMPLETION]`."""
    hidden = model.model(ids).last_hidden_state
    targets = ids[:, PROMPT:]
    states = hidden[:, :-1] if all_logits else hidden[:, PROMPT - 1:-1]
    log_probs = torch.log_softmax(model.lm_head(states), -1)[:, -COMPLETION:]
    return log_probs.gather(2, targets[:, :, None])[:, :, 0]


def timed(work, repeats, device):
    def work_done():
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    start = time.perf_counter()
    work_done()
    first = time.perf_counter() - start
    before = time.process_time()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work_done()
        seconds.append(time.perf_counter() - start)
    cpu = (time.process_time() - before) / repeats
    return dict(first=first, best=min(seconds), median=statistics.median(seconds), cpu=cpu)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16", "f16"])
    parser.add_argument("--attention", default=None, help="eager, sdpa (transformers' choice if left out)")
    arguments = parser.parse_args()
    global ROWS, PROMPT, COMPLETION
    if arguments.shape.endswith("b"):
        ROWS, PROMPT, COMPLETION = 8, 384, 128
    device = torch.device(arguments.device)
    dtype = dict(f32=torch.float32, bf16=torch.bfloat16, f16=torch.float16)[arguments.dtype]
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    # Qwen2 is Llama with biases on queries, keys and values.
    kinds = (Qwen2Config, Qwen2ForCausalLM) if arguments.shape == "0.5b" else (LlamaConfig, LlamaForCausalLM)
    config = kinds[0](**SHAPES[arguments.shape], max_position_embeddings=2048, rms_norm_eps=1e-5, rope_theta=10000.0,
                      tie_word_embeddings=True, eos_token_id=None, pad_token_id=0, bos_token_id=None)
    if arguments.attention:
        config._attn_implementation = arguments.attention
    model = kinds[1](config).to(device=device, dtype=dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(1, config.vocab_size, (ROWS, PROMPT + COMPLETION), device=device)
    half = ROWS // 2
    # A pair shares its prompt.
    pairs = torch.cat([ids[:half], torch.cat([ids[:half, :PROMPT], ids[half:, PROMPT:]], 1)])

    def step(loss):
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    def sft():
        step(-log_probs(model, ids).mean())

    def sft_all_logits():
        step(-log_probs(model, ids, True).mean())

    def dpo():
        with torch.no_grad():
            reference = log_probs(model, pairs).sum(1)
        change = log_probs(model, pairs).sum(1) - reference
        step(-torch.nn.functional.logsigmoid(0.1 * (change[:half] - change[half:])).mean())

    result = {}
    model.train()
    tokens = ROWS * (PROMPT + COMPLETION)
    for name, work in [("sft", sft), ("sft_all_logits", sft_all_logits), ("dpo", dpo)]:
        if name == "sft_all_logits" and device.type == "cuda":
            continue
        found = timed(work, arguments.repeats, device)
        result[name] = found | dict(tokens_per_s=tokens / found["best"])
        print(json.dumps({name: result[name]}), flush=True)
    model.eval()
    for rows in (1, 32):
        prompt = ids.repeat(32 // ROWS, 1)[:rows, :16]

        def greedy():
            with torch.no_grad():
                found = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                                       max_new_tokens=arguments.new_tokens, use_cache=True)
            assert found.shape[1] == 16 + arguments.new_tokens

        found = timed(greedy, max(arguments.repeats // 3, 2), device)
        result[f"greedy_{rows}"] = found | dict(tokens_per_s=rows * arguments.new_tokens / found["best"])
        print(json.dumps({f"greedy_{rows}": result[f"greedy_{rows}"]}), flush=True)
    result |= dict(shape=arguments.shape, device=arguments.device, dtype=arguments.dtype, threads=arguments.threads)
    result["torch"] = torch.__version__
    print(json.dumps(result))


if __name__ == "__main__":
    main()
