"""One iteration of PPO on a small Llama by PyTorch, transformers and, where it is installed, TRL 0.10.1, on given episodes.

    pip install -r benches/peers/requirements-ppo.txt
    python benches/peers/torch_ppo.py tool-rl.json --threads 2

The file has the model's shape and the episodes (tokens, length of the prompt, which tokens are actions, step rewards), as our side of the case
`tool-rl` of `cargo xtask bench` writes it. All times are of the same episodes, in seconds:

- `look`: log-probabilities of policy and reference and values of all action tokens, without gradients;
- `update`: `epochs` passes over minibatches: clipped policy loss, clipped value loss, clipping at norm 1, AdamW (torch's fused one);
- `trl_step`: `PPOTrainer.step` of TRL with the same sizes, which holds both, and its own GAE and statistics;
- `rollout`: `generate` for the prompts, sampled, as many new tokens for each row as the episodes have on average after their prompts (actions
  and observations): one call, no environment, nothing read in between, which favours this side.

`look` and `update` compute logits at action tokens only and take rows of like length together, as ours do. Prints one JSON object.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM


class Policy(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.lm = LlamaForCausalLM(config)
        self.value = torch.nn.Linear(config.hidden_size, 1)

    def forward(self, batch):
        """Log-probabilities and values of a batch's action tokens, flat."""
        states = self.lm.model(batch["ids"], attention_mask=batch["attention"]).last_hidden_state
        states = states[:, :-1][batch["actions"]]
        log_probs = torch.log_softmax(self.lm.lm_head(states), -1)
        return log_probs.gather(1, batch["targets"][:, None])[:, 0], self.value(states)[:, 0]


def batch_of(episodes):
    longest = max(len(own["tokens"]) for own in episodes)
    ids = torch.zeros(len(episodes), longest, dtype=torch.long)
    attention, actions = torch.zeros_like(ids), torch.zeros(len(episodes), longest, dtype=torch.bool)
    for row, own in enumerate(episodes):
        length = len(own["tokens"])
        ids[row, :length] = torch.tensor(own["tokens"])
        attention[row, :length] = 1
        for first, end in own["actions"]:
            actions[row, first:end] = True
    actions = actions[:, 1:]
    return dict(ids=ids, attention=attention, actions=actions, targets=ids[:, 1:][actions])


def advantages_of(episodes):
    """A made signal, the same length as the action tokens: the arithmetic does not depend on its values."""
    generator = torch.Generator().manual_seed(1)
    count = sum(end - first for own in episodes for first, end in own["actions"])
    return torch.randn(count, generator=generator), torch.randn(count, generator=generator)


def look(policy, reference, episodes, rows):
    found = []
    order = sorted(episodes, key=lambda own: len(own["tokens"]))
    with torch.no_grad():
        for first in range(0, len(order), rows):
            batch = batch_of(order[first:first + rows])
            log_probs, values = policy(batch)
            found.append((log_probs, reference(batch)[0], values))
    return found


def update(policy, optimizer, episodes, rows, epochs):
    for _ in range(epochs):
        order = torch.randperm(len(episodes)).tolist()
        for first in range(0, len(order), rows):
            own = [episodes[at] for at in order[first:first + rows]]
            batch = batch_of(own)
            advantages, returns = advantages_of(own)
            log_probs, values = policy(batch)
            old, old_values = log_probs.detach(), values.detach()
            ratio = (log_probs - old).exp()
            loss = torch.max(-ratio * advantages, -ratio.clamp(0.8, 1.2) * advantages).mean()
            held = old_values + (values - old_values).clamp(-0.2, 0.2)
            value_loss = 0.5 * torch.max((values - returns) ** 2, (held - returns) ** 2).mean()
            optimizer.zero_grad()
            (loss + 0.1 * value_loss).backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            optimizer.step()


def rollout(model, episodes, new):
    prompts = [own["tokens"][:own["prompt"]] for own in episodes]
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(own)) + own for own in prompts])
    attention = torch.tensor([[0] * (longest - len(own)) + [1] * len(own) for own in prompts])
    with torch.no_grad():
        found = model.generate(ids, attention_mask=attention, do_sample=True, top_k=0, temperature=1.0,
                               max_new_tokens=new, min_new_tokens=new, use_cache=True)
    assert found.shape[1] == longest + new


def trl_step(config, episodes, rows, epochs):
    """A closure around TRL's step, or nothing if TRL is not there."""
    try:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from transformers import PreTrainedTokenizerFast
        from trl import AutoModelForCausalLMWithValueHead, PPOConfig, PPOTrainer, create_reference_model
    except (ImportError, RuntimeError):
        return None

    # The trainer wants a tokenizer of transformers, which it asks to pad and nothing else.
    words = {f"w{at}": at for at in range(config.vocab_size)}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")), pad_token="w0",
                                        padding_side="right")
    model = AutoModelForCausalLMWithValueHead.from_pretrained(LlamaForCausalLM(config))
    settings = PPOConfig(batch_size=len(episodes), mini_batch_size=rows, backward_batch_size=rows, ppo_epochs=epochs,
                         gradient_accumulation_steps=1, learning_rate=1e-5, init_kl_coef=0.05, adap_kl_ctrl=False,
                         max_grad_norm=1.0, use_score_scaling=False, log_with=None)
    trainer = PPOTrainer(settings, model, create_reference_model(model), tokenizer)
    queries = [torch.tensor(own["tokens"][:own["prompt"]]) for own in episodes]
    responses = [torch.tensor(own["tokens"][own["prompt"]:]) for own in episodes]
    masks = []
    for own, response in zip(episodes, responses):
        mask = torch.zeros(len(response))
        for first, end in own["actions"]:
            mask[first - own["prompt"]:end - own["prompt"]] = 1
        masks.append(mask)
    scores = [torch.tensor(float(sum(own["rewards"]))) for own in episodes]
    return lambda: trainer.step(queries, responses, scores, masks)


def timed(work, repeats):
    work()
    before, seconds = time.process_time(), []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return dict(median=statistics.median(seconds), best=min(seconds), cpu=(time.process_time() - before) / repeats)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", help="a JSON file with the shape and the episodes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    with open(arguments.file) as file:
        given = json.load(file)
    shape, episodes = given["shape"], given["episodes"]
    rows, epochs = given["minibatch"], given["epochs"]
    config = LlamaConfig(**shape, rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
                         pad_token_id=0)
    policy, reference = Policy(config), Policy(config)
    reference.requires_grad_(False)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
    tokens = sum(len(own["tokens"]) for own in episodes)
    after = sum(len(own["tokens"]) - own["prompt"] for own in episodes)
    new = max(after // len(episodes), 1)
    result = dict(tokens=tokens, tokens_after_prompts=after, threads=arguments.threads, torch=torch.__version__)
    policy.train()
    for name, work in [
        ("look", lambda: look(policy, reference, episodes, rows)),
        ("update", lambda: update(policy, optimizer, episodes, rows, epochs)),
        ("rollout", lambda: rollout(policy.lm.eval(), episodes, new)),
        ("trl_step", trl_step(config, episodes, rows, epochs)),
    ]:
        if work is not None:
            result[name] = timed(work, arguments.repeats)
    thousand = result["rollout"]["median"] * 1000 / (new * len(episodes))
    result["rollout_of_1000"] = thousand
    result["learn"] = result["look"]["median"] + result["update"]["median"]
    result["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
