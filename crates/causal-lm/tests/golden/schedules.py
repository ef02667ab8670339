"""Learning rates by transformers' schedulers, one row for each setting.

    pip install -r requirements.txt && python schedules.py > schedules.json
"""

import json

import torch
from transformers import get_scheduler

NAMES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
rows = []
for name, theirs in NAMES.items():
    for warmup, total in [(0, 7), (3, 10), (5, 6)]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
        scheduler = get_scheduler(theirs, optimizer, num_warmup_steps=warmup, num_training_steps=total)
        rates = []
        # Past the last step a cosine would rise again there; here it stays at zero.
        for _ in range(total + 1):
            rates.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        rows.append(dict(schedule=name, warmup=warmup, total=total, rates=rates))
print(json.dumps(rows))
