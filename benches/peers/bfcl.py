#!/usr/bin/env python3
"""Seconds that the official BFCL checker (package bfcl-eval) takes for the cases of a corpus of its verdicts.

  python bfcl.py CORPUS.jsonl.gz

For each line read from standard input, every case is decoded and checked once by the package's own functions for one entry, and
{group: seconds} is printed as one line of JSON: processor time of this process, which has one thread. Reading the corpus, the package's
data and its imports are not in it, nor is the collection of what was loaded before (it is frozen). The first line printed says
how many cases there are in each group.

Imports that the checker does not need (numpy, pandas, clients of model providers) are replaced if they are not there.
"""
import collections
import gc
import gzip
import importlib.util
import json
import os
import sys
import tempfile
import time
import types
import warnings

os.environ["TZ"] = "UTC"
warnings.simplefilter("ignore")
os.environ.setdefault("BFCL_PROJECT_ROOT", tempfile.mkdtemp())


class Config:
    def __init__(self, underscores):
        self.underscore_to_dot = underscores


def replace(name, **members):
    module = types.ModuleType(name)
    module.__getattr__ = lambda member: type(member, (Exception,), {})
    for member, value in members.items():
        setattr(module, member, value)
    sys.modules[name] = module


for name in ("numpy", "pandas", "dotenv", "tqdm", "openai", "openai.types", "openai.types.responses"):
    base = name.split(".")[0]
    if base in sys.modules or importlib.util.find_spec(base) is None:
        replace(name)
# The registry imports the clients of all providers; corpora name two models.
replace("bfcl_eval.constants.model_config", MODEL_CONFIG_MAPPING={"prompt": Config(False), "fc": Config(True)})

from bfcl_eval.constants.enums import Language, ReturnFormat  # noqa: E402
from bfcl_eval.constants.eval_config import POSSIBLE_ANSWER_PATH, PROMPT_PATH  # noqa: E402
from bfcl_eval.eval_checker import eval_runner  # noqa: E402
from bfcl_eval.eval_checker.multi_turn_eval import multi_turn_utils  # noqa: E402
from bfcl_eval.model_handler.api_inference.openai_completion import OpenAICompletionsHandler  # noqa: E402
from bfcl_eval.model_handler.utils import (  # noqa: E402
    default_decode_ast_prompting,
    default_decode_execute_prompting,
)

LANGUAGES = {"simple_java": Language.JAVA, "simple_javascript": Language.JAVASCRIPT}
MULTI_TURN = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")


class Prompted:
    def decode_ast(self, result, language, has_tool_call_tag):
        return default_decode_ast_prompting(result, language, has_tool_call_tag)

    def decode_execute(self, result, has_tool_call_tag):
        return default_decode_execute_prompting(result, has_tool_call_tag)


class Native:
    is_fc_model = True
    decode_ast = OpenAICompletionsHandler.decode_ast


def value(encoded):
    """A value from the corpus's lossless form."""
    if isinstance(encoded, list):
        return [value(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    ((kind, inner),) = encoded.items()
    return {
        "i": int,
        "f": float,
        "c": lambda parts: complex(float(parts[0]), float(parts[1])),
        "b": bytes.fromhex,
        "t": lambda items: tuple(value(item) for item in items),
        "s": lambda items: {value(json.loads(item)) for item in items},
        "d": lambda members: {value(key): value(member) for key, member in members},
    }[kind](inner)


def group(case):
    if case["path"] == "fc":
        return "native"
    form = case.get("ret", "python")
    return form if form in ("python", "java", "javascript") else "other formats"


def single_turn(case, entries):
    """The function and the arguments that judge a case."""
    native = case["path"] == "fc"
    handler = Native() if native else Prompted()
    answer = [{name: text} for name, text in case["raw"]] if native else case["raw"]
    if case["path"] == "rel":
        return eval_runner._evaluate_single_relevance_entry, (handler, "x", answer, {}, case["model"], case["cat"])
    entry = entries[case["entry"]]
    return eval_runner._evaluate_single_ast_entry, (
        handler, case["entry"], answer, entry["ground_truth"], {"function": entry["function"]}, case["model"], case["cat"],
        LANGUAGES.get(case["cat"], Language.PYTHON), ReturnFormat(case.get("ret", "python")), case["tag"],
    )


def tasks():
    found = {}
    for category in MULTI_TURN:
        with open(PROMPT_PATH / f"BFCL_v4_{category}.json", encoding="utf-8") as questions:
            with open(POSSIBLE_ANSWER_PATH / f"BFCL_v4_{category}.json", encoding="utf-8") as answers:
                for question, answer in zip(questions, answers):
                    question = json.loads(question)
                    found[question["id"]] = (question, json.loads(answer)["ground_truth"], category)
    return found


def main():
    entries, works, turns = {}, collections.defaultdict(list), []
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["kind"] == "entry":
                record["ground_truth"] = value(record["ground_truth"])
                entries[record["id"]] = record
            elif record["kind"] == "case":
                works[group(record)].append(single_turn(record, entries))
            elif record["kind"] == "mt":
                turns.append(record)
    if turns:
        known = tasks()
        for at, record in enumerate(turns):
            question, truth, category = known[record["id"]]
            works["multi-turn"].append((
                eval_runner._evaluate_single_multi_turn_entry,
                (Prompted(), record["id"], record["raw"], truth, question, f"m{at}", category),
            ))
    # What was loaded is not of the evaluation: without this, every full collection would walk over all of it.
    gc.collect()
    gc.freeze()
    print(json.dumps({name: len(cases) for name, cases in works.items()}), flush=True)
    for _ in sys.stdin:
        seconds = {}
        for name, cases in works.items():
            start = time.process_time()
            for judge, arguments in cases:
                try:
                    judge(*arguments)
                except Exception:  # an exception is a verdict too
                    pass
            seconds[name] = time.process_time() - start
            # The executor keeps the instances of every case; without this the rounds after the first would go on with them.
            for instance in [member for member in vars(multi_turn_utils) if member.endswith("_instance")]:
                del vars(multi_turn_utils)[instance]
        print(json.dumps(seconds), flush=True)


main()
