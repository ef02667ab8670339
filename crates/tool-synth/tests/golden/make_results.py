"""Makes a folder of model outputs for every category of the function-calling leaderboard that is judged, by a seed.

    python make_results.py RESULTS SEED
    cargo xtask bfcl score --data VENV --result-dir RESULTS --score-dir OURS
    python compare_scores.py RESULTS OURS

The answers are the expected calls of bfcl-eval 2026.3.23, which must be importable (only its data files are read), with faults: other
values, types and names, parameters and calls left out or added, odd surface forms, text that is no call. RESULTS gets a prompted and a
native model, named as compare_scores.py knows them; about half of the single-turn answers are right. Nothing of the benchmark is
kept in this repository.
"""
import importlib.util
import json
import random
import sys
from pathlib import Path

PROMPTED, NATIVE = "gpt-4.1-2025-04-14", "gpt-4.1-2025-04-14-FC"
DATA = Path(importlib.util.find_spec("bfcl_eval").submodule_search_locations[0]) / "data"
CALLS = [
    "simple_python", "multiple", "parallel", "parallel_multiple", "live_simple", "live_multiple", "live_parallel",
    "live_parallel_multiple", "simple_java", "simple_javascript",
]
RELEVANCE = ["irrelevance", "live_irrelevance", "live_relevance"]
MULTI_TURN = ["multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context"]
CHAT = [
    "I cannot do this.", "", "[]", "f(x)", "[f(x=1)]", "Sure! [f(a='b')]", "(1, 2)", "f(x=(1, 2j), y=b'a')", "```f()```", "[f(x=1), 2]",
    "f(x=1, 2)", "{'a': f()}", "[a.b(c=-1, d=not x)]", "f(x=[i for i in y])", "\u00e9(\u00fc='\u00df')",
]
ODD = [None, True, False, 0, -1, 7, 2.5, 1e400, "", "a", "It's", "\u00c5ngstr\u00f6m", [], [1], ["a", "b"], [[1], [2]], {}, {"a": 1}, {"a": {"b": [1]}}]


def lines(name):
    with open(DATA / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def pairs(category):
    questions = lines(f"BFCL_v4_{category}.json")
    return zip(questions, lines(f"possible_answer/BFCL_v4_{category}.json"))


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def one(self, value):
        """One of the forms that an expected value stands for; nested dictionaries list their members' forms."""
        if isinstance(value, dict):
            chosen = {key: self.random.choice(forms) if isinstance(forms, list) and forms else forms for key, forms in value.items()}
            return {key: self.one(form) for key, form in chosen.items() if form != ""}
        if isinstance(value, list):
            return [self.one(item) for item in value]
        return value

    def expected(self, truth):
        """[(name, {parameter: value})] that a ground truth accepts, mostly."""
        calls = []
        for call in truth:
            ((name, parameters),) = call.items()
            arguments = {}
            for parameter, forms in parameters.items():
                if "" in forms and self.chance(0.5):
                    continue
                forms = [form for form in forms if form != ""]
                if forms:
                    arguments[parameter] = self.one(self.random.choice(forms))
            calls.append((name, arguments))
        return calls

    def other(self, value):
        """A value like another one."""
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.choice(ODD)
        if isinstance(value, bool):
            return not value if kind == 1 else int(value)
        if isinstance(value, int):
            return [value + 1, float(value), str(value)][kind - 1]
        if isinstance(value, float):
            return [-value, value + 0.5, str(value)][kind - 1]
        if isinstance(value, str):
            return [value.upper() + ".", value[:-1], [value]][kind - 1]
        if isinstance(value, list):
            return [value[::-1], value[:-1], tuple(value)][kind - 1]
        if isinstance(value, dict) and value:
            key = self.random.choice(list(value))
            return [{**value, key: self.other(value[key])}, {k: v for k, v in value.items() if k != key}, {**value, "extra": 1}][kind - 1]
        return self.random.choice(ODD)

    def answer(self, truth, names):
        """The expected calls with no, one or two faults."""
        calls = self.expected(truth)
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2])):
            at = self.random.randrange(len(calls)) if calls else 0
            kind = self.random.randrange(8)
            if not calls or kind == 0:
                calls.insert(at, (self.random.choice(names), {}))
                continue
            name, arguments = calls[at]
            if kind == 1:
                calls.pop(at)
            elif kind == 2:
                calls[at] = (self.random.choice(names), arguments)
            elif kind == 3:
                calls[at] = (name, {**arguments, "unheard_of": self.random.choice(ODD)})
            elif kind == 4:
                self.random.shuffle(calls)
            elif arguments:
                parameter = self.random.choice(list(arguments))
                if kind == 5:
                    arguments = {key: value for key, value in arguments.items() if key != parameter}
                else:
                    arguments = {**arguments, parameter: self.other(arguments[parameter])}
                calls[at] = (name, arguments)
        return calls

    def python(self, calls):
        """Calls as Python text, in one of the forms that models write."""
        text = ", ".join(f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})" for name, arguments in calls)
        kind = self.random.randrange(14)
        if kind == 0:
            return text
        if kind == 1:
            return f"```\n[{text}]\n```"
        if kind == 2:
            return f"[{text}".replace(", ", ",\n  ")
        if kind == 3:
            return f"Here you are: [{text}]"
        if kind == 4:
            return f"[{text}]"[: self.random.randrange(len(text) + 2)]
        if kind == 5:
            return f"[{text}] # done"
        return f"[{text}]"

    def source(self, calls, functions, java):
        """Calls as Java or JavaScript text, with values as their types ask for them."""
        types = {name: spec for function in functions for name, spec in function["parameters"]["properties"].items()}

        def literal(value, kind, item):
            if isinstance(value, bool):
                return "true" if value else "false"
            if value is None:
                return "null"
            if isinstance(value, (int, float)):
                return f"{value}" + {"long": "L", "float": "f" if java else "", "Bigint": "n"}.get(kind, "")
            if isinstance(value, (list, tuple)):
                items = ", ".join(literal(member, item, None) for member in value)
                if kind == "ArrayList":
                    return f"new ArrayList<>(Arrays.asList({items}))"
                return f"new {item or 'Object'}[]{{{items}}}" if java else f"[{items}]"
            if isinstance(value, dict):
                if java:
                    members = " ".join(f"put({json.dumps(key)}, {literal(member, None, None)});" for key, member in value.items())
                    return f"new HashMap<String, Object>() {{{{ {members} }}}}"
                return "{" + ", ".join(f"{key}: {literal(member, None, None)}" for key, member in value.items()) + "}"
            return value if kind == "any" and self.chance(0.5) else json.dumps(value, ensure_ascii=False)

        def argument(name, value):
            spec = types.get(name, {})
            return f"{name}={literal(value, spec.get('type'), (spec.get('items') or {}).get('type'))}"

        return "[" + ", ".join(f"{name}({', '.join(argument(*pair) for pair in arguments.items())})" for name, arguments in calls) + "]"

    def formatted(self, calls, form):
        """Calls in a return format of the prompt variations."""
        if form == "python":
            return self.python(calls)
        if form == "json":
            return json.dumps([{"function": name, "parameters": arguments} for name, arguments in calls])
        kinds = {bool: "boolean", int: "integer", float: "float", list: "array", tuple: "tuple", dict: "object", type(None): "null"}

        def escape(text):
            return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")

        text = ""
        for name, arguments in calls:
            inner = ""
            for key, value in arguments.items():
                kind = kinds.get(type(value), "string")
                shown = escape(value if isinstance(value, str) else repr(value))
                if form == "verbose_xml":
                    inner += f'\n    <param name="{key}" value="{shown}" type="{kind}"/>'
                else:
                    inner += f'\n    <param name="{key}" type="{kind}">{shown}</param>'
            text += f'  <function name="{name}">' + (f"<params>{inner}</params>" if form == "verbose_xml" else inner) + "</function>\n"
        text = f"<functions>\n{text}</functions>"
        return text[: self.random.randrange(len(text))] if self.chance(0.05) else text

    def usage(self):
        return {
            "input_token_count": self.random.randint(50, 900),
            "output_token_count": self.random.randint(3, 90),
            "latency": self.random.random() * 3,
        }

    def turns(self, truth):
        """Steps of text for each turn of a multi-turn task."""
        turns = []
        for calls in truth:
            calls, kind = list(calls), self.random.random()
            if kind < 0.05:
                calls = []
            elif kind < 0.1 and calls:
                calls.pop(self.random.randrange(len(calls)))
            elif kind < 0.15 and calls:
                calls.insert(self.random.randrange(len(calls)), "pwd()")
            steps = ["[" + ", ".join(calls) + "]"] if self.chance(0.5) else [f"[{call}]" for call in calls]
            turns.append([*steps, self.random.choice(["Done.", "", "[]"])])
        return turns[:-1] if self.chance(0.05) else turns


def put(results, model, category, rows):
    group = category if category == "format_sensitivity" else "multi_turn" if "multi_turn" in category else None
    group = group or ("live" if "live" in category else "non_live")
    path = results / model / group / f"BFCL_v4_{category}_result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def native(calls):
    return [{name.replace(".", "_"): json.dumps(arguments)} for name, arguments in calls]


def configurations():
    plain = "&prompt_fmt=plaintext&style=classic"
    for form in ("python", "json", "verbose_xml", "concise_xml"):
        for tag in ("True", "False"):
            for documents in ("python", "xml", "json"):
                yield f"ret_fmt={form}&tool_call_tag={tag}&func_doc_fmt={documents}{plain}"
    yield "ret_fmt=python&tool_call_tag=False&func_doc_fmt=json&prompt_fmt=markdown&style=classic"
    yield "ret_fmt=python&tool_call_tag=False&func_doc_fmt=json&prompt_fmt=plaintext&style=experimental"


def main():
    results, maker = Path(sys.argv[1]), Maker(int(sys.argv[2]))
    names = [function["name"] for category in CALLS for question in lines(f"BFCL_v4_{category}.json") for function in question["function"]]
    for category in CALLS:
        prompted, called = [], []
        for question, truth in pairs(category):
            calls = maker.answer(truth["ground_truth"], names)
            if category in ("simple_java", "simple_javascript"):
                text = maker.source(calls, question["function"], category == "simple_java")
            else:
                text = maker.python(calls)
            text = maker.random.choice(CHAT) if maker.chance(0.05) else text
            prompted.append({"id": question["id"], "result": text, **maker.usage()})
            calls = native(maker.answer(truth["ground_truth"], names))
            calls = [{"f": "{"}] if maker.chance(0.02) else calls
            called.append({"id": question["id"], "result": calls, **maker.usage()})
        maker.random.shuffle(prompted)
        put(results, PROMPTED, category, prompted)
        put(results, NATIVE, category, called)
    for category in RELEVANCE:
        questions = lines(f"BFCL_v4_{category}.json")
        rows = [{"id": question["id"], "result": maker.random.choice(CHAT), **maker.usage()} for question in questions]
        put(results, PROMPTED, category, rows)
    for category in MULTI_TURN:
        counts = {"inference_log": [{"x": 1}], "input_token_count": [[1, 2], [3]], "output_token_count": [[1], [0]], "latency": [[0.5], [0.25]]}
        rows = [{"id": question["id"], "result": maker.turns(truth["ground_truth"]), **counts} for question, truth in pairs(category)]
        put(results, PROMPTED, category, rows)
    rows = []
    with open(DATA / "BFCL_v4_format_sensitivity.json", encoding="utf-8") as file:
        listed = json.load(file)
    for category, ids in listed.items():
        for question, truth in pairs(category) if ids else ():
            if question["id"] not in ids:
                continue
            for configuration in configurations():
                form = configuration.split("&")[0].removeprefix("ret_fmt=")
                text = maker.formatted(maker.answer(truth["ground_truth"], names), form)
                if "tool_call_tag=True" in configuration and maker.chance(0.9):
                    text = f"<TOOLCALL>{text}</TOOLCALL>"
                rows.append({"id": f"format_sensitivity_{len(rows)}:{configuration}:{question['id']}", "result": text, **maker.usage()})
    put(results, PROMPTED, "format_sensitivity", rows)


main()
