"""Golden values of BLEU-1..4 and ROUGE-1/2/L: python overlap.py > overlap.json

sacrebleu 2.6.0 and rouge-score 0.1.2, over words that are cut already: what is compared is the counting, not the cutting.
"""

import json
import random
import sys

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU


class Cut:
    def tokenize(self, text):
        return text.split()


VOCABULARY = "the a film user story actor good dull slow warm liked rated high low and of with for it more than most".split()


def corpus(draw, n_pairs, longest, change):
    pairs = []
    for _ in range(n_pairs):
        reference = [draw.choice(VOCABULARY) for _ in range(draw.randint(1, longest))]
        text = [draw.choice(VOCABULARY) if draw.random() < change else word for word in reference]
        if draw.random() < 0.3:
            text = text[: max(1, len(text) // 2)]
        if draw.random() < 0.3:
            text = text + [draw.choice(VOCABULARY) for _ in range(draw.randint(1, 6))]
        if draw.random() < 0.2:
            draw.shuffle(text)
        pairs.append([text, reference])
    return pairs


def scored(pairs):
    texts = [" ".join(text) for text, _ in pairs]
    references = [" ".join(reference) for _, reference in pairs]
    bleu = []
    for order in range(1, 5):
        metric = BLEU(max_ngram_order=order, smooth_method="none", tokenize="none", force=True)
        bleu.append(metric.corpus_score(texts, [references]).score / 100)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False, tokenizer=Cut())
    rouge = []
    for text, reference in zip(texts, references):
        found = scorer.score(reference, text)
        rouge.append([[found[k].precision, found[k].recall, found[k].fmeasure] for k in ("rouge1", "rouge2", "rougeL")])
    return {"pairs": pairs, "bleu": bleu, "rouge": rouge}


draw = random.Random(7)
corpora = [corpus(draw, n, longest, change) for n, longest, change in
           [(1, 12, 0.3), (1, 5, 0.1), (3, 20, 0.2), (5, 8, 0.5), (8, 30, 0.1), (8, 30, 0.6), (4, 3, 0.2), (6, 40, 0.0),
            (6, 15, 0.9), (10, 25, 0.3), (2, 60, 0.15), (5, 1, 0.5)]]
json.dump({"corpora": [scored(pairs) for pairs in corpora]}, sys.stdout)
sys.stdout.write("\n")
