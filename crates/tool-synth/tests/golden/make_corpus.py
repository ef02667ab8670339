"""Makes a differential corpus: answers to the function-calling leaderboard with what its official checker says to them.

    python make_corpus.py OUT.jsonl.gz --seed N [--scale X] [--multi-turn]
    cargo xtask bfcl replay OUT.jsonl.gz [--data VENV]

Made for bfcl-eval 2026.3.23 (Python 3.11, installed without dependencies beside tree_sitter 0.21.3, tree-sitter-java 0.21.0,
tree-sitter-javascript 0.21.4, mpmath 1.4.1; what is installed of it is VENV). What the evaluation imports and does not use here is stubbed.
A seed makes the same bytes each time (but of several turns only on one day, as ages are counted in them); at scale 1 there are about 61,500
records of single turns, or with `--multi-turn` 7,700 of several turns.

Answers are made by `corpus_answers.py` from the package's expected ones, from changed expectations and from made-up functions, written by
`corpus_texts.py`, and put to the package by `corpus_official.py`. How many there are, and which of the official error types they reach, is
printed at the end. A corpus holds rows of the benchmark and stays outside this repository.

Records are JSON lines, the values in them in the lossless form of `src/value/encode.rs`: `entry` (functions and expected calls under an id),
`case` (an answer, its official decoding and verdict), `conv` (a value as the Java or JavaScript converter gives it), `std` (a text and its
normalised form), `mt` (a multi-turn answer, its verdict and the result of each call).
"""
import argparse
import ast
import builtins
import collections
import contextlib
import copy
import hashlib
import importlib
import inspect
import io
import re
import time

import corpus_answers as answers
import corpus_texts as texts
# Before the package, of which it stubs parts.
from corpus_official import Corpus, Excluded, Prompted, encode, leans_on_module, lines
from bfcl_eval.constants.eval_config import POSSIBLE_ANSWER_PATH, PROMPT_PATH
from bfcl_eval.constants.executable_backend_config import CLASS_FILE_PATH_MAPPING
from bfcl_eval.eval_checker import eval_runner
from bfcl_eval.eval_checker.ast_eval import ast_checker
from bfcl_eval.eval_checker.ast_eval.type_convertor.java_type_converter import java_type_converter
from bfcl_eval.eval_checker.ast_eval.type_convertor.js_type_converter import js_type_converter
from bfcl_eval.eval_checker.multi_turn_eval import multi_turn_checker, multi_turn_utils
from bfcl_eval.eval_checker.multi_turn_eval.func_source_code import long_context
from bfcl_eval.model_handler.utils import default_decode_execute_prompting

# Answers to each entry of a category.
PYTHON = {
    "simple_python": 9, "multiple": 9, "parallel": 9, "parallel_multiple": 9, "live_simple": 7, "live_multiple": 3, "live_parallel": 40,
    "live_parallel_multiple": 30,
}
SOURCE = {"simple_java": 45, "simple_javascript": 60}
RELEVANCE = ["irrelevance", "live_irrelevance", "live_relevance"]
MULTI_TURN = ["multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context"]
CHAT = [
    "I cannot do that.", "", "[]", "[[]]", "{}", "[{}]", "()", "f()", "[f(), g()]", "no_call(), none", "Please say which city.", "1", "'f()'", "None",
    "Sorry (no tool)", "f(x)", "f(x=1) and g()", "f\n()", "[f(x=1), 'ok']",
    "Answer: f(x=1)", "f(x=1).", "f(x='1", "{f(), g()}", "f() if x else g()", "[*f()]", "a.b()()", "```\n[f(x=1)]\n```", "\u00fcber(\u00e4=1)",
    "f(x=1)\n\ng(y=2)", "[f(x=1)\n, g(y=2)]", "f(1, *a, **k)", "f(a=1, a=2)", "[(f(), g())]", "f(**{'a': 1})",
]


def pairs(category):
    """Questions with their expected answers."""
    name = f"BFCL_v4_{category}.json"
    return list(zip(lines(PROMPT_PATH / name), lines(POSSIBLE_ANSWER_PATH / name)))


def faults(calls, entry, names, r, most=3):
    for _ in range(r.choice([0, 0, 1, 1, 1, 1, 2, most])):
        calls = answers.faulty(calls, entry["function"], names, r)
    return calls


def python_answer(calls, r):
    """Calls as Python text; some arguments are expressions, some texts are dressed."""
    for _, arguments in calls:
        for argument in arguments:
            if r.random() < 0.04:
                argument[1] = answers.Written(texts.python_expression(r))
    text = texts.python_calls(calls, r)
    return texts.dressed(text, r) if r.random() < 0.25 else text


def source_answer(calls, entry, r):
    text = texts.source_calls(calls, entry["function"], entry["cat"].removeprefix("simple_"), r)
    text = texts.dressed(text, r) if r.random() < 0.2 else text
    return texts.edited(text, r) if r.random() < 0.2 else text


def native_answer(calls, entry, r):
    raw = []
    for name, arguments in calls:
        if entry["cat"] in SOURCE:
            # These have to be text; native models write the source of the value.
            write = texts.java if entry["cat"] == "simple_java" else texts.javascript
            types_ = {key: one for function in entry["function"] for key, one in function["parameters"]["properties"].items()}
            as_source = lambda key, value: value if isinstance(value, str) or r.random() < 0.1 else write(
                value, types_.get(key, {}).get("type"), types_.get(key, {}).get("items", {}).get("type"), r)
            arguments = [[key, as_source(key, value)] for key, value in arguments]
        raw.append([name.replace(".", "_") if r.random() < 0.9 else name, texts.json_arguments(arguments, r)])
    return raw


def format_answer(calls, ret, tag, r):
    if ret == "python":
        text = python_answer(calls, r)
    else:
        text = texts.json_calls(calls, r) if ret == "json" else texts.xml_calls(calls, ret == "verbose_xml", r)
    if tag and r.random() < 0.95:
        text = answers.some(r, [f"<TOOLCALL>{text}</TOOLCALL>"] * 6 + [
            f"<TOOLCALL>\n{text}\n</TOOLCALL>\n", f"Now: <TOOLCALL>{text}</TOOLCALL>", f"<TOOLCALL>{text}</TOOLCALL><TOOLCALL>{text}</TOOLCALL>",
            f"<TOOLCALL>{text}", f"<toolcall>{text}</toolcall>", f"`<TOOLCALL>`{text}`</TOOLCALL>`",
        ])
    return text


def single_turn(corpus, scale):
    entries = {
        category: [
            {"id": question["id"], "cat": category, "function": question["function"], "ground_truth": answer["ground_truth"]}
            for question, answer in pairs(category)
        ]
        for category in [*PYTHON, *SOURCE]
    }
    python = [entry for category in PYTHON for entry in entries[category]]
    names = sorted({function["name"] for entry in python for function in entry["function"]})
    times = lambda number: max(1, round(number * scale))
    for category, number in PYTHON.items():
        for entry in entries[category]:
            for at in range(times(number)):
                r = corpus.random("python", entry["id"], at)
                corpus.case("ast", entry, python_answer(faults(answers.expected(entry["ground_truth"], r), entry, names, r), r))
    for category, number in SOURCE.items():
        for entry in entries[category]:
            for at in range(times(number)):
                r = corpus.random("source", entry["id"], at)
                text = source_answer(faults(answers.expected(entry["ground_truth"], r), entry, names, r, 0), entry, r)
                tag = r.random() < 0.02
                corpus.case("ast", entry, f"<TOOLCALL>{text}</TOOLCALL>" if tag else text, category.removeprefix("simple_"), tag)
    for entry in (entry for category in entries for entry in entries[category]):
        number = {"simple_java": 6, "simple_javascript": 10, "live_parallel": 20, "live_parallel_multiple": 15, "live_multiple": 1}.get(entry["cat"],
            2)
        for at in range(times(number)):
            r = corpus.random("native", entry["id"], at)
            corpus.case("fc", entry, native_answer(faults(answers.expected(entry["ground_truth"], r), entry, names, r), entry, r))
    for at in range(times(4000)):
        r = corpus.random("formats", at)
        entry = r.choice(python)
        ret, tag = r.choice(["json", "verbose_xml", "concise_xml", "json", "verbose_xml", "concise_xml", "python"]), r.random() < 0.4
        text = format_answer(faults(answers.expected(entry["ground_truth"], r), entry, names, r), ret, tag, r)
        corpus.case("fmt", entry, text, ret, tag, "format_sensitivity")
    for at in range(times(3500)):
        r = corpus.random("expectations", at)
        entry = r.choice(python)
        functions, truth = answers.other_truth(entry["ground_truth"], entry["function"], r)
        calls = answers.expected(r.choice([truth, entry["ground_truth"]]), r)
        changed = {**entry, "id": f"changed_{at}_{entry['id']}", "function": functions, "ground_truth": truth}
        corpus.case("ast", changed, python_answer(faults(calls, changed, names, r, 0), r))
    expressions(corpus, times(5000))
    made_up(corpus, times(2400), names)
    relevance(corpus, times(2500), python, names)
    conversions(corpus, times(5000))
    for at in range(times(1500)):
        r = corpus.random("normalised", at)
        letters = "aZ9 ,./-_*^'\"\\\t\n:;\u00c9\u0130\u1e9e\u03a3\u03c3\u212a\ufb01\u01c5\u2160\u0410\u3000\u2019\U00010400\U0001f99c"
        text = "".join(r.choice(letters) for _ in range(r.randrange(16)))
        corpus.write({"kind": "std", "in": text, "o": ast_checker.standardize_string(text)})


def expressions(corpus, number):
    """Calls of a function of anything, for what expressions are decoded to, also where something hangs on the call so that they do not count."""
    function = {"name": "f", "parameters": {"type": "dict", "properties": {"x": {"type": "any"}, "y": {"type": "any"}}, "required": ["x"]}}
    for at in range(number):
        r = corpus.random("expressions", at)
        language, expression = r.choice([("python", texts.python_expression)] * 4 + [
            ("java", texts.java_expression), ("javascript", texts.javascript_expression),
        ])
        entry = {"id": f"expression_{language}", "cat": f"simple_{language}", "function": [function],
            "ground_truth": [{"f": {"x": ["a", "name", "1"], "y": ["", "b"]}}]}
        text = f"f(x={expression(r)}" + r.choice([")", f", y={expression(r)})"])
        text += r.choice(["", "", "", "", ".g()", "()", "[0]", "[0].g(y=1)", ".g", "(y=2)"])
        text = r.choice(["[%s]", "[%s]", "[%s]", "%s", "[h(z=%s)]", "[%s, h()]", "[%s,]"]).replace("%s", text)
        corpus.case("ast", entry, texts.edited(text, r) if r.random() < 0.15 else text, language)


def made_up(corpus, number, names):
    for at in range(number):
        r = corpus.random("made up", at)
        language = r.choice(["python", "python", "java", "javascript"])
        functions, truth = answers.made_up(language, r)
        category = r.choice(["simple_python", "multiple", "parallel", "parallel_multiple"]) if language == "python" else f"simple_{language}"
        entry = {"id": f"made_up_{at}", "cat": category, "function": functions, "ground_truth": truth}
        for fewer in range(5):
            calls = answers.completed(answers.expected(truth, r), functions, r)
            calls = faults(calls, entry, names, r) if fewer else calls
            if category in ("simple_python", "simple_java", "simple_javascript") and fewer < 4:
                calls = calls[:1]
            kind = r.random()
            if kind < 0.2:
                corpus.case("fc", entry, native_answer(calls, entry, r))
            elif language != "python":
                corpus.case("ast", entry, source_answer(calls, entry, r), language)
            elif kind < 0.35:
                ret = r.choice(["json", "verbose_xml", "concise_xml"])
                corpus.case("ast", entry, format_answer(calls, ret, False, r), ret)
            else:
                corpus.case("ast", entry, texts.python_calls(calls, r))


def relevance(corpus, number, python, names):
    for at in range(number):
        r = corpus.random("relevance", at)
        entry = r.choice(python)
        kind = r.random()
        if kind < 0.4:
            text = r.choice(CHAT)
            text = texts.edited(text, r) if r.random() < 0.5 else text
        elif kind < 0.6:
            text = r.choice([" ", ", ", "(", ")", "\n"]).join(r.sample(answers.WORDS + answers.PHRASES, r.randrange(1, 5)))
        elif kind < 0.75:
            text = texts.python_expression(r)
        else:
            text = python_answer(faults(answers.expected(entry["ground_truth"], r), entry, names, r), r)
        corpus.case("rel", None, text, category=r.choice(RELEVANCE))


def conversions(corpus, number):
    for at in range(number):
        r = corpus.random("conversions", at)
        language = r.choice(["java", "javascript"])
        kinds = answers.TYPES[language]
        kind = r.choice(kinds + ["Array", "ArrayList", "HashMap"] * 4 if language == "java" else kinds + ["array", "dict"] * 4 + ["null"])
        item = r.choice([None, *kinds, *kinds]) if kind in ("Array", "ArrayList", "array", "HashMap") else None
        value = answers.typed(r.choice([kind, kind, r.choice(kinds)]), r, item)
        write = texts.java if language == "java" else texts.javascript
        text = write(value, kind, item, r)
        for _ in range(r.choice([0, 0, 1, 2])):
            text = texts.edited(text, r, " ,.;:\"'{}[]()<>\n\t-+0LlfFn\u0664\u00a0\\")
        converter = java_type_converter if language == "java" else js_type_converter
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                output = {"v": encode(converter(text, kind, item))}
            except Exception as error:
                output = {"exc": type(error).__name__}
        corpus.write({"kind": "conv", "lang": {"java": "java"}.get(language, "js"), "type": kind, "nested": item, "in": text, "o": output})


# Multiple turns


class Worlds:
    """The simulated APIs. What they change beyond their instances, the lists that are defaults of parameters and the constants of long
    contexts, is put back before each use: officially it leaks from one entry into the next."""

    def __init__(self):
        names = [name for name in CLASS_FILE_PATH_MAPPING if "Memory" not in name and name != "WebSearchAPI"]
        self.classes = {name: getattr(importlib.import_module(CLASS_FILE_PATH_MAPPING[name]), name) for name in names}
        functions = {name: inspect.getmembers(kind, inspect.isfunction) for name, kind in self.classes.items()}
        self.methods = {
            name: {key: inspect.signature(method) for key, method in members if not key.startswith("_")} for name, members in functions.items()
        }
        held = lambda values: any(isinstance(value, (list, dict)) for value in values or ())
        self.defaults = [
            (method, copy.deepcopy(method.__defaults__)) for members in functions.values() for _, method in members if held(method.__defaults__)
        ]
        constants = [value for name, value in vars(long_context).items() if held([value]) and not name.startswith("__")]
        self.constants = [(value, copy.deepcopy(value)) for value in constants]

    def reset(self):
        for method, defaults in self.defaults:
            method.__defaults__ = copy.deepcopy(defaults)
        for value, kept in self.constants:
            if value != kept:
                value.clear()
                (value.extend if isinstance(value, list) else value.update)(copy.deepcopy(kept))
        for instance in [name for name in vars(multi_turn_utils) if name.endswith("_instance")]:
            del vars(multi_turn_utils)[instance]

    def results(self, calls, question, number):
        """What calls give, in the world of a case; long texts as the start of their digest."""
        found, _ = multi_turn_utils.execute_multi_turn_func_call(
            calls, question["initial_config"], question["involved_classes"], f"xm{number}", question["id"], "long_context" in question["id"], True)
        for result in found:
            # There is no verdict on these here (`docs/src/bfcl-multi-turn.md`), or they hold an address, which is another one each time.
            if re.search(r"\(<(string|unknown)>, line \d+\)", result):
                raise Excluded("a text that is no expression")
            if re.search(r" at 0x[0-9a-f]{6,}", result):
                raise Excluded("an address")
        return [result if len(result) <= 160 else "sha256:" + hashlib.sha256(result.encode()).hexdigest()[:16] for result in found]


def read_call(text):
    """A call of a ground truth: its name, and its arguments as values or, what is no literal, as written."""
    call = ast.parse(text.strip(), mode="eval").body
    def value(node):
        try:
            return ast.literal_eval(node)
        except ValueError:
            return answers.Written(ast.unparse(node))
    return [ast.unparse(call.func), [[None, value(one)] for one in call.args] + [[one.arg, value(one.value)] for one in call.keywords]]


def write_call(call, r, usual=0.8):
    name, arguments = call
    write = lambda value: texts.python(value, r) if r.random() > usual or isinstance(value, answers.Written) else repr(value)
    return f"{name}({', '.join((f'{key}=' if key else '') + write(value) for key, value in arguments)})"


def world_call(worlds, classes, pool, r):
    """A call of a method of one of the classes, with arguments that methods were seen to be called with."""
    name = r.choice(sorted(classes))
    method = r.choice(sorted(worlds.methods[name]))
    arguments = []
    for key, parameter in list(worlds.methods[name][method].parameters.items())[1:]:
        if parameter.default is inspect.Parameter.empty and r.random() < 0.96 or r.random() < 0.5:
            value = r.choice(pool[key]) if pool[key] and r.random() < 0.85 else answers.anything(r)
            arguments.append([key, value])
    return [method, arguments]


def other_call(call, worlds, classes, pool, r):
    """A call with a fault."""
    name, arguments = copy.deepcopy(call)
    everything = sorted(worlds.classes)
    kind = r.randrange(15)
    place = r.randrange(len(arguments)) if arguments else None
    if kind == 0:
        return world_call(worlds, everything, pool, r)
    if kind == 1:
        return [r.choice([name + "s", "_" + name, "no_such_call", name.upper(), "self." + name, r.choice(everything) + "." + name]), arguments]
    if kind == 2 or place is None:
        return [name, arguments + [[r.choice(answers.WORDS), answers.anything(r)]]]
    if kind == 3:
        arguments.pop(place)
    elif kind == 4:
        arguments = [[None, value] for _, value in arguments]
    elif kind == 5:
        inner = r.choice([["pwd", []], ["add", [["a", 1], ["b", 2]]], ["mean", [["numbers", [1, 2]]]], world_call(worlds, classes, pool, r)])
        arguments[place][1] = answers.Written(write_call(inner, r, 1.0))
    elif kind == 6:
        key = arguments[place][0]
        arguments[place][1] = r.choice(pool[key]) if pool[key] else None
    elif kind == 7:
        r.shuffle(arguments)
    elif kind == 8:
        arguments[place][1] = answers.anything(r)
    else:
        arguments[place][1] = answers.near(arguments[place][1], r)
    return [name, arguments]


def other_turns(turns, worlds, classes, pool, r):
    """Turns with a fault: of calls, of their order, of whole turns."""
    turns = copy.deepcopy(turns)
    at = r.randrange(len(turns))
    turn = turns[at]
    place = r.randrange(len(turn)) if turn else 0
    kind = r.randrange(16)
    if not turn or kind < 2:
        turn.insert(place, world_call(worlds, classes, pool, r))
    elif kind < 9:
        turn[place] = other_call(turn[place], worlds, classes, pool, r)
    elif kind == 9:
        turn.pop(place)
    elif kind == 10:
        turn.insert(r.randrange(len(turn) + 1), turn[place])
    elif kind == 11:
        r.shuffle(turn)
    elif kind == 12:
        turns[at] = []
    elif kind == 13:
        turns[at] = turn[:place]
        turns[(at + 1) % len(turns)][:0] = turn[place:]
    elif kind == 14:
        turns = r.choice([turns[:-1], turns + [[]], [[]] + turns])
    else:
        turns[at] = turn + [world_call(worlds, worlds.classes, pool, r) for _ in range(3)]
    return turns or [[]]


def steps(turn, r):
    """A turn's calls as the texts of steps."""
    parts = [turn]
    if len(turn) > 1 and r.random() < 0.3:
        cut = r.randrange(1, len(turn))
        parts = [turn[:cut], turn[cut:]]
    found = [f"[{', '.join(write_call(call, r) for call in part)}]" for part in parts]
    found = [texts.dressed(text, r) if r.random() < 0.05 else text for text in found]
    return found + r.choice([[], [], [], ["Done."], ["[]"], ["", "f(x"]])


def multi_turn(corpus, scale):
    worlds = Worlds()
    tasks = [(question, answer["ground_truth"], category) for category in MULTI_TURN for question, answer in pairs(category)]
    pool = collections.defaultdict(list)
    for _, truth, _ in tasks:
        for key, value in (argument for turn in truth for call in turn for argument in read_call(call)[1] if argument[0]):
            if value not in pool[key]:
                pool[key].append(value)
    number = 0
    for question, truth, category in tasks:
        for at in range(max(1, round(10 * scale))):
            r = corpus.random("turns", question["id"], at)
            turns = [[read_call(call) for call in turn] for turn in truth]
            for _ in range(r.choice([0, 1, 1, 1, 2, 3, 6]) if at else 0):
                turns = other_turns(turns, worlds, question["involved_classes"], pool, r)
            raw = [steps(turn, r) for turn in turns] if at else [[f"[{', '.join(turn)}]"] for turn in truth]
            try:
                write_turns(corpus, worlds, question, truth, category, raw, number)
                number += 1
            except Excluded as why:
                corpus.excluded[str(why)] += 1


def check_modelled(call):
    """Excludes calls without a verdict here (`docs/src/bfcl-multi-turn.md`): of Python's own functions, of logarithms beyond the real ones."""
    try:
        nodes = list(ast.walk(ast.parse(call, mode="eval")))
    except (SyntaxError, ValueError):
        raise Excluded("a text that is no expression") from None
    for node in nodes:
        if isinstance(node, ast.Call) and not isinstance(node.func, (ast.Name, ast.Attribute)):
            raise Excluded("a call of something that is no name")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if hasattr(builtins, node.func.id):
                raise Excluded("a function of Python")
            if node.func.id == "logarithm" and re.search(r"base=-|\dj|inf|='|precision=(\d{5}|\S*e)", call):
                raise Excluded("a logarithm of complex or infinite numbers or of text, to a negative base, or of very many digits")


def write_turns(corpus, worlds, question, truth, category, raw, number):
    """Asks for the verdict on an answer and for the results of its calls in a world of its own. Worlds are named by the number of the case,
    which shows in some results."""
    record = {"kind": "mt", "id": question["id"], "raw": raw}
    in_order = [text for turn in raw for text in turn]
    if any(map(leans_on_module, in_order)):
        raise Excluded("an operation that is not computed")
    steps_of_calls = [calls_of(text) for text in in_order]
    for call in (call for calls in steps_of_calls for call in calls or []):
        check_modelled(call)
    with contextlib.redirect_stdout(io.StringIO()):
        worlds.reset()
        try:
            verdict = eval_runner._evaluate_single_multi_turn_entry(
                Prompted(), question["id"], raw, truth, dict(question), f"m{number}", category)
            record["out"] = "valid" if verdict["valid"] else "invalid"
            record.update({} if verdict["valid"] else {"err": verdict["error"]["error_type"]})
        except Exception as error:
            record.update(out="raise", exc=type(error).__name__)
        worlds.reset()
        record["exec"] = [calls if calls is None else worlds.results(calls, question, number) for calls in steps_of_calls]
    corpus.write(record)
    corpus.tally(category, record, record["out"], record.get("err"))


def calls_of(text):
    """The calls in a step's text, as official handlers pass them on; nothing if it does not decode."""
    try:
        return default_decode_execute_prompting(text)
    except Exception:
        return None


# Error types that no record has: of checks that nothing calls, of what passes, of lists of dictionaries without an allowed one (a type
# error before), and of an answer that is no list of turns.
UNREACHABLE = {
    "parallel_function_checker_enforce_order:wrong_count", "multi_turn:method_invoke_order_mismatch", "multi_turn:irrelevance_error:decoder_success",
    "simple_function_checker:unclear", "list_dict_checker:unclear", "multi_turn:inference_error",
}


def known_errors(multi_turn):
    """The error types that stand in the official sources."""
    text = "".join(map(inspect.getsource, [eval_runner, ast_checker, multi_turn_checker]))
    found = sorted(set(re.findall(r"\"((?:[a-z_]+:)+[a-z_/]+)\"", text)))
    return [error for error in found if not error.startswith("agentic") and error.startswith("multi_turn") == multi_turn]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--multi-turn", action="store_true")
    options = parser.parse_args()
    start = time.time()
    corpus = Corpus(options.out, options.seed)
    (multi_turn if options.multi_turn else single_turn)(corpus, options.scale)
    corpus.close()
    print("records", dict(corpus.records), "excluded", dict(corpus.excluded), f"{time.time() - start:.0f} s")
    for group, verdicts in sorted(corpus.verdicts.items()):
        print(f"  {group:40}", *(f"{verdict} {verdicts[verdict]}" for verdict in ("valid", "invalid", "raise")))
    errors = known_errors(options.multi_turn)
    for error in [*errors, *sorted(corpus.errors.keys() - set(errors))]:
        print(f"  {error:60} {corpus.errors[error]}", "(cannot be reached)" if error in UNREACHABLE else "")
    print(f"error types reached {sum(corpus.errors[error] > 0 for error in errors)} of {len(errors)}; {len(UNREACHABLE & set(errors))} cannot be")


main()
