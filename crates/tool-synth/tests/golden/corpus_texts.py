"""Calls as the texts that `make_corpus.py` asks about: Python, Java and JavaScript source, JSON and XML, plain or as a model dresses them.

Python 3.11, standard library alone; everything comes from the generator `r` (a `random.Random`) that a function is given.
"""
import json
from xml.sax.saxutils import escape, quoteattr

from corpus_answers import WORDS, Written, plain, some


def edited(text, r, characters="()[]{}<>,.:;=+-*/%&|'\"`\\ \t\n#$@!?0aA_\u00e9\u00df\u6771\u00a0\u2019\u200b"):
    """Text with a character taken out, put in, doubled or exchanged."""
    at = r.randrange(len(text) + 1)
    kind = r.randrange(5)
    if kind == 0:
        return text[:at] + text[at + 1:]
    if kind == 1:
        return text[:at] + r.choice(characters) + text[at:]
    if kind == 2:
        return text[:at] + text[at:at + 1] * 2 + text[at + 1:]
    if kind == 3:
        return text[:at] + text[at + 1:at + 2] + text[at:at + 1] + text[at + 2:]
    return text[:at] if r.random() < 0.5 else text[at:]


# Python text


def python_escapes(text, r):
    """A string in which some characters are written as escapes."""
    def written(character):
        point = ord(character)
        short = [f"\\x{point:02x}", f"\\{point:03o}"] if point < 256 else []
        must = r.random() < 0.4 or character in "\\'\n\r"
        return r.choice([f"\\u{point:04x}", f"\\U{point:08x}", *short]) if must else character
    return "'" + "".join(map(written, text)) + "'"


def python_string(text, r):
    plain = not set(text) & set("\\\n\r'\"{}")
    if r.random() < 0.75 or not plain:
        escaped = (lambda r: python_escapes(text, r)) if len(text) < 40 else repr(text)
        return some(r, [repr(text), repr(text), json.dumps(text), json.dumps(text, ensure_ascii=False), escaped])
    half = len(text) // 2
    return r.choice([
        f'"""{text}"""', f"'''{text}'''", f"r'{text}'", f"u'{text}'", f"f'{text}'", f"'{text[:half]}' \"{text[half:]}\"",
        f"('{text[:half]}'\n'{text[half:]}')", f"'{text[:half]}\\\n{text[half:]}'",
        f"'{text[:half]}' + '{text[half:]}'", f"str('{text}')", f"'{text}'.strip()", f"'{text}\\N{{BULLET}}'", f"'{text}\\q\\8'",
    ])


def python(value, r):
    """A value as Python text."""
    if isinstance(value, Written):
        return str(value)
    if isinstance(value, str):
        return python_string(value, r)
    if isinstance(value, float) and value in (float("inf"), -float("inf")):
        return "1e999" if value > 0 else "-1e999"
    if isinstance(value, float) or value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        usual = repr(value)
        sign = "-" if value < 0 else ""
        return usual if r.random() < 0.93 else r.choice([
            hex(value), bin(value), oct(value), f"{value:_}", f"+{value}", f"({value})", f"{usual}.", sign + "0" + usual.lstrip("-"),
            f"{value} * 1", usual + "e0",
        ])
    gap = r.choice(["", " ", " ", "\n"])
    tail = "," if value and r.random() < 0.05 else ""
    if isinstance(value, dict):
        return "{" + f",{gap}".join(f"{python(key, r)}:{gap}{python(one, r)}" for key, one in value.items()) + tail + "}"
    if isinstance(value, (list, tuple)):
        inner = f",{gap}".join(python(one, r) for one in value)
        return f"[{inner}{tail}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else tail})"
    return repr(value)


def python_atom(r):
    return r.choice([
        "1", "-2", "0", "2.5", "7", "10", "3j", "'ab'", "\"c\"", "b'd'", "True", "None", "...", "name", "a.b", "[1, 2]", "(1, 'x')", "{'k': 1}",
        "{1, 2}", "()", "[]", "{}", "f()", "g(1, 'y')", "h(p=1)", "'%d'", "1e3", "0x1f", "1_0",
    ])


def python_expression(r, depth=0):
    """An expression of Python's grammar; powers and shifts stay small."""
    if depth > 2 or r.random() < 0.2:
        return python_atom(r)
    a, b, c = (python_expression(r, depth + 1) for _ in range(3))
    return r.choice([
        f"{a} {r.choice(['+', '-', '/', '//', '%', '&', '|', '^', '@'])} {b}", f"({a}) + ({b})", f"({a} - {b}) * {r.randrange(4)}",
        f"{r.randrange(9)} ** {r.randrange(-3, 9)}",
        f"{r.randrange(99)} {r.choice(['<<', '>>'])} {r.randrange(9)}", f"({a}) * {r.randrange(4)}",
        f"{r.randrange(9)} + {r.randrange(9)} * {r.randrange(1, 9)}", f"{r.randrange(50) / 4} {r.choice('+-*/%')} {r.randrange(1, 9)}",
        f"-{a}", f"+{a}", f"~{a}", f"not {a}", f"- -{a}", f"{a} {r.choice(['and', 'or'])} {b}",
        f"{a} {r.choice(['<', '==', 'in', 'is not', '!='])} {b}", f"{a} if {b} else {c}", f"({a})", f"[{a}, {b}]", f"({a}, {b})", f"({a},)",
        f"{{'k': {a}, 'l': {b}}}", f"{{{a}: {b}}}", f"{{{a}, {b}}}", f"[*{a}, {b}]", f"{{**{a}}}", f"lambda: {a}", f"lambda x, *y, z=1, **w: {a}",
        f"x[{a}]", f"x[{a}:{b}]", f"x[{a}, {b}]", f"x[::{a}]", f"x[{a}][{b}]", f"({a})[{b}]", f"x.y[{a}].z",
        f"f({a})", f"f({a}, {b})", f"f(k={a})", f"f(k={a}, l={b})", f"f(k={a}).g(l={b})", f"f(k={a})[{b}]", f"f(k={a})()", f"lambda x, y={a}: {b}",
        f"f({a}, k={b})", f"f(*{a})", f"f(**{a})", f"f({a}).g(k={b})", f"f()({a})", f"m.n.f(k=g(l={a}))", f"[{a} for i in {b}]",
        f"({a} for i in {b} if {c})", f"{{i: {a} for i in {b}}}",
        f"f'{{{a}}}'" if "'" not in a else "f'{x!r:>{w}}'", f"f\"a{{x}}b\" 'c'", f"(w := {a})", f"await {a}", f"(yield {a})", f"{a} {b}", f"{a}, {b}",
        f"{a}!", f"x.{a}", f"'a' 'b' {a}", f"'a' b'b'", f"{a} # {b}\n",
    ])


def python_calls(calls, r):
    """Calls as the text of a list."""
    equal = r.choice(["=", "=", "=", " = ", "= ", "\n="])
    gap = r.choice([", ", ", ", ", ", ",", ",\n    ", " , ", ",\t"])
    put = lambda name, arguments: f"{name}({gap.join(f'{parameter}{equal}{python(value, r)}' for parameter, value in arguments)})"
    return "[" + gap.join(put(name, arguments) for name, arguments in calls) + "]"


def dressed(text, r):
    """Text of calls as it comes out of a model: fenced, commented, cut, with prose or tags around it, or with a wrong character."""
    inner = text[1:-1]
    deep = r.choice([20, 90, 180, 199, 200, 201, 230])
    language = r.choice(["python", "java", "js", "json", ""])
    once = lambda old, new: text.replace(old, new, 1)
    return some(r, [
        lambda r: edited(text, r), lambda r: edited(text, r), lambda r: edited(text, r), lambda r: edited(edited(text, r), r),
        lambda r: edited(text, r),
        inner, inner, f"[{inner}", f"{inner}]", f"({inner})", f"{{{inner}}}", f"[[{inner}]]", f"[({inner})]", f"[{inner},]", f"[,{inner}]",
        f"[{inner};]", f"{inner};", f"```{language}\n{text}\n```", f"```{language}\n{text}\n", f"`{text}`", f"``` {text}```",
        f"'{text}'", f'"{text}"', f"'''{text}'''", f"Here is the call: {text}", f"{text}\nI hope that this helps.", f"I will call [{inner}] now",
        f"# a note\n{text}", f"{text} # a note", f"/* a note */{text}", f"{text} // a note", f"[ # note [\n{inner}]",
        f"\n\n {text} \n", f"\t{text}", f"\ufeff{text}", f"{text}\x0c", f"\r\n{text}\r\n", f" [\n  {inner}\n]", f"[{inner}\\\n]", f"x = {text}",
        f"print({inner})", f"return {text}", f"await {inner}", f"[await {inner}]", f"[*{text}]", f"[{inner} for x in y]", f"{text}[0]",
        f"{text}, {text}", f"{text}\n{text}", f"{inner}\n{inner}", f"[{inner}, 1]", f"[None, {inner}]", f"[{inner}, 'done']", f"[{inner}.then()]",
        f"[{inner}()]", f"[lambda: {inner}]", f"<TOOLCALL>{text}</TOOLCALL>", f"<tool_call>{text}</tool_call>", f"<|x|>{text}",
        once("(", " ("), once("(", "(\n"), once("(", "(1, "), once("(", "(*a, "), once("(", "(**k, "), once(")", ",)"), once(")", ", x)"),
        once(")", ", **k)"), once("=", ":"), once("=", "=="), once("=", ":="), once(", ", " "), once("'", '"'), once("'", "\u2018"),
        once("(", "(("), text.replace("(", "((", 1).replace(")", "))", 1), once(" ", "\u00a0"), once(",", "\uff0c"),
        once("=", "=" + "(" * deep + "1" + ")" * deep + " or "), once("=", "=" + "[" * (deep // 2) + "]" * (deep // 2) + "#\n"),
        once("=", "=" + "-" * 3),
        text.replace("\n", "\r"), text.replace("True", "true").replace("False", "false").replace("None", "null"), text.upper(), text.replace("'", ""),
        "", "[]", "None", "[None]", "f", "1", "[f(x)]", "[f(x=1)](y=2)", "a.b(c=d)", "[].f()", "(f)(x=1)", "'s'.f(x=1)",
    ])


# Java and JavaScript text


def c_string(text, r, quote='"'):
    escapes = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", quote: "\\" + quote}
    return quote + "".join(escapes.get(c, c) if r.random() < 0.97 else f"\\u{min(ord(c), 0xffff):04x}" for c in text) + quote


def java_list(items, item, r):
    inner = [java(one, item or "any", None, r) for one in items]
    joined = r.choice([", ", ",", " , "]).join(inner)
    kind = {"integer": "Integer", "any": "Object"}.get(item, (item or "").capitalize())
    generic = r.choice(["", kind, kind, "?", "List<String>", "Map<String, Integer>", "int[]"])
    adds = "".join(f"{r.choice(['', ' ', chr(10)])}add({one});" for one in inner)
    return r.choice([
        f"new ArrayList<{generic}>(Arrays.asList({joined}))", f"new ArrayList<{generic}>(Arrays.asList({joined}))",
        f"new ArrayList<{generic}>() {{{{{adds} }}}}", f"new ArrayList<{generic}>(){{{{{adds}}}}}", f"new ArrayList<{generic}>()",
        f"new ArrayList<{generic}>(List.of({joined}))", f"new ArrayList<>(10)", f"Arrays.asList({joined})", f"List.of({joined})",
        f"new LinkedList<{generic}>(Arrays.asList({joined}))", f"new java.util.ArrayList<{generic}>(Arrays.asList({joined}))",
        f"new  ArrayList <{generic}> (Arrays.asList({joined}))",
    ])


def java_array(items, item, r):
    inner = r.choice([", ", ",", " , "]).join(java(one, item or "any", None, r) for one in items)
    kind = {"integer": "int", "any": "Object"}.get(item, item or "Object")
    return r.choice([
        f"new {kind}[]{{{inner}}}", f"new {kind}[]{{{inner}}}", f"new {kind}[] {{ {inner} }}", f"new {kind}[]{{{inner},}}",
        f"new {kind}[{len(items)}]", f"{{{inner}}}", f"new {kind}[][]{{{{{inner}}}}}", f"new {kind}[]{{{inner}}}.clone()", f"new a.B[]{{{inner}}}",
    ])


def java(value, kind, item, r):
    """A value as a Java expression of a documented type."""
    if isinstance(value, Written):
        return str(value)
    if r.random() < 0.04:
        return java_expression(r)
    if isinstance(value, bool) or value is None:
        usual = {True: "true", False: "false", None: "null"}[value]
        return usual if r.random() < 0.9 else r.choice([
            str(value), f"Boolean.{usual.upper()}", f"!{usual}", f"({usual})", f'"{usual}"', f"Boolean.valueOf({usual})",
        ])
    if isinstance(value, (int, float)):
        suffix = {"long": "L", "float": "f", "double": ""}.get(kind, "") if r.random() < 0.85 else r.choice("LlfFdD")
        usual = f"{value!r}{suffix}"
        return usual if r.random() < 0.85 else r.choice([
            f"(long) {usual}", f"Integer.valueOf({usual})", f"new Long({usual})", f"+{usual}", f"({usual})", f"{usual} + 1", f"0x1F{suffix}",
            f"1_000{suffix}", f"{usual}.0", f'"{usual}"', f"1e3{suffix}", f".5{suffix}", f"-{usual}", f"{usual}\u0663",
        ])
    if isinstance(value, str):
        if kind == "char":
            return r.choice([c_string(value[:1], r, "'"), c_string(value, r, "'"), f"(char) 97", c_string(value, r)])
        bare = value.isidentifier() and kind != "String" and r.random() < 0.6
        return value if bare else some(r,
            [c_string(value, r)] * 8 + [
                f'"{value}"', f"'{value}'", f'"a" + {c_string(value, r)}', f"{c_string(value, r)}.trim()", f"new String({c_string(value, r)})",
                f'"""\n{value}"""', value,
            ])
    if isinstance(value, dict):
        generic = r.choice(["", "String, Object", "String, Integer", "String, List<Integer>", "?, ?"])
        puts = "".join(f"{r.choice(['', ' '])}put({c_string(str(key), r)},{r.choice(['', ' '])}{java(one, 'any', None, r)});" for key,
            one in value.items())
        pairs = ", ".join(f"{c_string(str(key), r)}, {java(one, 'any', None, r)}" for key, one in value.items())
        return r.choice([
            f"new HashMap<{generic}>() {{{{{puts} }}}}", f"new HashMap<{generic}>() {{{{ {puts}}}}}", f"new HashMap<{generic}>()", f"Map.of({pairs})",
            f"new HashMap<{generic}>(Map.of({pairs}))", f"new HashMap<{generic}>() {{ {{{puts}}} }}", f"new TreeMap<{generic}>()",
            f"new HashMap<{generic}>(16)",
        ])
    if isinstance(value, (list, tuple)):
        return java_array(value, item, r) if kind == "Array" and r.random() < 0.9 else java_list(value, item, r)
    return java_expression(r)


def java_expression(r, depth=0):
    atoms = [
        "x", "1", "2L", "3.5f", "1e-3", "'c'", '"s"', '"a, b"', "true", "null", "this", "super.x", "A.class", "int[].class", "a.b.C",
        "\"\\t\\u00e9\"", "'\\''", "0b11", "0x1.8p1", "\u00e9", "$v", "_x", "new A()",
    ]
    if depth > 2 or r.random() < 0.25:
        return r.choice(atoms)
    a, b, c = (java_expression(r, depth + 1) for _ in range(3))
    return r.choice([
        f"{a} {r.choice(['+', '-', '*', '/', '%', '==', '&&', '||', '>>>', '<', '!='])} {b}", f"({a})", f"(int) {a}", f"(List<String>) {a}", f"!{a}",
        f"-{a}", f"~{a}", f"x++", f"--x", f"{a} ? {b} : {c}", f"f({a})", f"f({a}, {b})", f"x.f({a}).g({b})", f"A.<B>f({a})", f"x[{a}]",
        f"new A({a}, {b})", f"new A<>({a})", f"new A<B, C<D>>() {{ }}", f"new A() {{ void f() {{ g({a}); }} }}", f"new int[{a}]",
        f"new int[]{{{a}, {b}}}", f"new int[2][]", f"y -> {a}", f"(y, z) -> {{ return {a}; }}", f"() -> {a}", f"String::valueOf", f"A::new",
        f"{a} instanceof B", f"x = {a}", f"{a} /* {b} */", f"{a} // {b}\n",
        f"switch (x) {{ case 1 -> {a}; default -> {b}; }}", f'"""\n  text {depth}\n"""', f"{a}, {b}", f"{a} {b}", f"{a};", f"@A {a}", f"[{a}]",
        f"{{{a}, {b}}}", f"`{a}`", f"x => {a}",
    ])


def javascript(value, kind, item, r):
    """A value as a JavaScript expression."""
    if isinstance(value, Written):
        return str(value)
    if r.random() < 0.04:
        return javascript_expression(r)
    if isinstance(value, bool) or value is None:
        usual = {True: "true", False: "false", None: "null"}[value]
        return usual if r.random() < 0.9 else r.choice([
            str(value), f"!{usual}", f"!!{usual}", "undefined", f"Boolean({usual})", f"({usual})", f"'{usual}'",
        ])
    if isinstance(value, (int, float)):
        usual = f"{value!r}{'n' if kind == 'Bigint' and r.random() < 0.85 else ''}"
        return usual if r.random() < 0.85 else r.choice([
            f"{usual}n", f"+{usual}", f"({usual})", f"Number({usual})", f"BigInt({usual})", "0x1f", "1_000", "0o17", f"{usual}.0", f"-{usual}",
            f"{usual} * 1", "NaN", "-Infinity", f"'{usual}'", ".5", "5.",
        ])
    if isinstance(value, str):
        return value if value.isidentifier() and r.random() < 0.3 else some(r,
            [c_string(value, r)] * 4 + [c_string(value, r, "'")] * 4 + [
                f"`{value}`", f"'{value}'", f'"{value}"', f"`a${{b}}{value}`", f"{c_string(value, r)} + 'z'", f"String({c_string(value, r)})", value,
            ])
    if isinstance(value, dict):
        def key(name):
            return r.choice([c_string(str(name), r), c_string(str(name), r, "'"), str(name), str(name), f"[{c_string(str(name), r)}]"])
        pairs = [f"{key(name)}{r.choice([': ', ':', ' : '])}{javascript(one, 'any', None, r)}" for name, one in value.items()]
        pairs += [
            some(r, [f"...{r.choice(WORDS)}", r.choice(WORDS), "f() { return 1; }", "get x() { return 2; }", "async f() {}"]),
        ] if r.random() < 0.1 else []
        gap = r.choice([", ", ",", ",\n  "])
        return r.choice(["{%s}", "{%s}", "{ %s }", "{%s,}", "({%s})", "new Map({%s})", "Object.assign({}, {%s})"]) % gap.join(pairs)
    if isinstance(value, (list, tuple)):
        inner = r.choice([", ", ",", " , "]).join(javascript(one, item or "any", None, r) for one in value)
        return r.choice([
            "[%s]", "[%s]", "[%s]", "[ %s ]", "[%s,]", "new Array(%s)", "[...%s]", "[, %s]", "Array.of(%s)", "new Set([%s])", "[[%s]]", "[[%s], [1]]",
            "new Array([%s])",
        ]) % inner.replace("%", "")
    return javascript_expression(r)


def javascript_expression(r, depth=0):
    atoms = [
        "x", "1", "2n", "'s'", '"a, b"', "`t`", "`a${x}b`", "true", "null", "undefined", "this", "/a[/]b/gi", "NaN", "{}", "[]", "{a: 1}",
        "{'a-b': [1, 2]}", "\u00e9", "$x", "_y", "#z", "0xF", "1_0", "-0", "new A", "'\\x41\\u{1F600}'", "'it\\'s'", "async", "let",
    ]
    if depth > 2 or r.random() < 0.25:
        return r.choice(atoms)
    a, b, c = (javascript_expression(r, depth + 1) for _ in range(3))
    return r.choice([
        f"{a} {r.choice(['+', '-', '*', '**', '%', '===', '&&', '||', '??', 'in', 'instanceof', '>>>'])} {b}", f"({a})", f"!{a}", f"-{a}",
        f"typeof {a}", f"void {a}", f"x++", f"{a} ? {b} : {c}", f"f({a})", f"f({a}, ...{b})", f"x.f({a}).g({b})", f"x?.y", f"x?.[{a}]", f"x[{a}]",
        f"new A({a}, {b})", f"new Date({a})",
        f"[{a}, {b}]", f"[{a}, ...{b}]", f"[[{a}], [{b}]]", f"{{k: {a}, 'l': {b}}}", f"{{k, ...{a}}}", f"{{[{a}]: {b}}}",
        f"{{f({'x'}) {{ return {a}; }}}}", f"y => {a}", f"(y, z = 1) => {{ return {a}; }}", f"async () => {a}", f"() => ({{k: {a}}})",
        f"function (y) {{ return {a}; }}", f"function* g() {{ yield {a}; }}",
        f"class A extends B {{ m() {{}} }}", f"tag`{'t'}`", f"`${{{a}}}`" if "`" not in a else "`u`", f"x = {a}", f"x += {a}", f"await {a}",
        f"{a} /* {b} */", f"{a} // {b}\n", f"({a}, {b})", f"{a} {b}", f"{a};", f"<div>{a}</div>", f"(int) {a}", f"@{a}", f"x: {a}",
    ])


def source_calls(calls, functions, language, r):
    """Calls as Java or JavaScript text, values as the documented types ask for them."""
    types = {name: one for function in functions for name, one in function["parameters"]["properties"].items()}
    write = java if language == "java" else javascript
    odd = java_expression if language == "java" else javascript_expression
    texts = []
    for name, arguments in calls:
        parts = []
        for parameter, value in arguments:
            documented = types.get(parameter, {})
            text = odd(r) if r.random() < 0.05 else write(value, documented.get("type"), documented.get("items", {}).get("type"), r)
            parts.append(f"{parameter}{r.choice(['=', '=', '=', ' = ', '= '])}{text}")
        if r.random() < 0.04:
            parts.insert(r.randrange(len(parts) + 1), odd(r))
        texts.append(f"{name}({r.choice([', ', ', ', ',', ', /* more */ ', ',' + chr(10)]).join(parts)})")
    return "[" + ", ".join(texts) + "]"


# The other return formats


def json_arguments(arguments, r):
    """The arguments of a native call as JSON text."""
    named = {parameter: plain(value) for parameter, value in arguments}
    text = json.dumps(named, ensure_ascii=r.random() < 0.5, indent=r.choice([None, None, None, 1]))
    if r.random() < 0.85:
        return text
    return some(r, [
        lambda r: edited(text, r), lambda r: edited(text, r), f"\n{text} ", f"[{text}]", json.dumps(text), text.replace('"', "'"),
        text.replace("true", "True"), text[:-1] + ",}", f"{text}{text}", "", "null", "[]", "3", '"x"', "NaN", "{}", text.replace(": ", ": 0", 1),
        text.replace(": ", ": -Infinity, \"w\": NaN, \"v\": ", 1), text.replace(": ", ": 1E+2, \"w\": -0, \"v\": ", 1),
        text.replace(": ", ": 01, ", 1), text.replace('"', '"\\u00e9\\/\\b', 1), text.replace('"', '"\t', 1), f"\ufeff{text}",
        text.replace("{", "{/**/", 1),
    ])


def json_calls(calls, r):
    listed = [{"function": name, "parameters": {parameter: plain(value) for parameter, value in arguments}} for name, arguments in calls]
    if r.random() < 0.1 and listed:
        at = r.randrange(len(listed))
        listed[at] = some(r, [
            {"name": 1}, {"function": "f"}, {**listed[at], "id": 1}, {"parameters": {}, "function": "f"}, [listed[at]], "text", None,
            {"function": ["f"], "parameters": {}}, {"function": None, "parameters": 3},
        ])
    text = json.dumps(listed, ensure_ascii=r.random() < 0.5, indent=r.choice([None, None, 2]))
    if r.random() < 0.6:
        return text
    return some(r, [
        lambda r: edited(text, r), lambda r: edited(text, r), f"```json\n{text}\n```", f"Calls: {text}.", f"[see] {text}", f"{text} [1]", text[1:-1],
        text[1:], text[:-1], f"[{text}]", text.replace('"', "'"), f"{text}{text}", text[:-1] + ",]", '{"a": []}', "[]", "[{}]", "[1, [2]]", "none",
        text.replace("}", "}]", 1), text.replace("{", "[{", 1), json.dumps({"calls": listed}), text.replace("parameters", "arguments"),
        text.replace("}, {", "} {", 1), text.replace(": ", ": NaN, \"n\": ", 1),
    ])


XML_TYPES = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", tuple: "tuple", dict: "dict", type(None): "null"}
XML_VALUES = [
    "1_000", " 7 ", "+5", "\u0663\u0664", "-0", "1e5", "inf", "nan", "-Infinity", "TRUE", "true ", "null", "[1, 2,]", "{1, 2}", "set()", "1+2j", "-3",
    "b'x'", "'a' 'b'", "(1,)", " [1]", "[1]\n", "\t[2]", "{'a': {'b': (1, None)}}", "[x]", "f(1)", "[1", "{**{}}", "1 + 1", "- -1", "...", "''",
    "{'a': 1, 'a': 2}", "[True, false]", "0x1F", "9" * 30,
]


def xml_calls(calls, verbose, r):
    """Calls in one of the two XML formats."""
    out = ["<functions>"]
    for name, arguments in calls:
        out.append(f"<function name={quoteattr(name)}>" if r.random() < 0.97 else r.choice([
            f"<function id={quoteattr(name)}>", f"<function name = '{escape(name)}' a=\"1\" >", f"<function name={name}>",
            f"<Function name={quoteattr(name)}>",
        ]))
        held = verbose and r.random() < 0.8
        out.append("<params>" if held else "")
        for parameter, value in arguments:
            kind = XML_TYPES.get(type(value),
                "string") if r.random() < 0.93 else r.choice([
                    "string", "integer", "float", "boolean", "null", "array", "tuple", "object", "dict", "number", "",
                ])
            text = (str(value) if isinstance(value, (str, int, float)) else repr(value)) if r.random() < 0.93 else r.choice(XML_VALUES)
            typing = f" type={quoteattr(kind)}" if r.random() < 0.95 else ""
            named = f"name={quoteattr(parameter)}"
            if verbose:
                parts = [named, f"value={quoteattr(text)}", typing.strip()]
                r.shuffle(parts)
                out.append(r.choice(["<param %s/>", "<param %s />", "<param %s></param>", "<param %s>text</param>"]) % " ".join(parts).replace("%",
                    "%%").replace("%%", "%"))
            else:
                inner = r.choice([escape(text)] * 6 + [
                    f" {escape(text)}\n", f"<![CDATA[{text}]]>", f"{escape(text)}<!-- c -->", f"<!-- c -->{escape(text)}",
                    "".join(f"&#{ord(c)};" if ord(c) > 31 else c for c in text), f"<b>{escape(text)}</b>", "",
                ])
                out.append(f"<param {named}{typing}>{inner}</param>" if r.random() < 0.96 else f"<param {typing} {named}/>")
        out.append("</params>" if held else "")
        out.append("</function>")
    text = r.choice(["", "\n", "\n  "]).join(part for part in out + ["</functions>"] if part)
    if r.random() < 0.6:
        return text
    once = lambda old, new: text.replace(old, new, 1)
    return some(r, [
        lambda r: edited(text, r), lambda r: edited(text, r), lambda r: edited(text, r), f"```xml\n{text}\n```", f"<?xml version='1.0'?>{text}",
        f"<!DOCTYPE a>{text}", f"So: {text} done", once("</function>", ""), once("</functions>", ""), once("<functions>", "<functions/>"),
        once("<functions>", "<functions a='1'>"), f"{text}{text}", once("<functions>", "<functions><functions>"),
        once("<function ", "<note/><function "), once("<function ", "text &amp; <function "), once("&quot;", '"'), once("&lt;", "<"),
        once("&amp;", "&"), once("name=", "name='x' name="), once("name=", "n:name="), once("<param ", "<params/><param "),
        once("<param ", "<x:param "), once("=\"", "=\"&#x41;&apos;\t\n"), once("=\"", "=\"&none;"), once("=\"", "=\"&#0;"),
        once("<param ", "<?go here?><param "), once("<param ", "<!-- -- --><param "), once("<param ", "<!-- a --><param "), text.replace('"', "'"),
        text.upper(), once(">", ">\x01"), once(">", ">]]>"), once("type=", "kind="), text.replace("</function><function", "</function>,<function"),
        once("</param>", "</param>tail"), text.replace("\n", "\r\n"),
    ])
