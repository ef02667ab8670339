"""What `make_corpus.py` asks about: values, calls and texts that a model might write, right or with faults.

Python 3.11, standard library alone; everything comes from the generator `r` (a `random.Random`) that a function is given.

Calls are `[name, [[parameter, value], …]]`. A value is Python data, or `Written` source text that is put in as it is.
"""
import copy
import json
import unicodedata
from xml.sax.saxutils import escape, quoteattr

WORDS = "anchor basalt cobalt dune ember fjord glacier hollow inlet juniper kelp lagoon marsh nectar orchard prairie quarry reef".split()
PHRASES = [
    "Lima", "São Luís", "Port-au-Prince", "St. John's", "Baden, AG", "10/12/2031", "a_b", "it's", 'say "hi"', "C:\\new", "x" * 70, " pad ",
    "tab\there",
    "two\nlines", "\u6771\u4eac", "\u00df\u017f\u0130\u212a\u03a3\u03c2", "\U0001f99c", "e\u0301", "\u2019", "100%", "{x}", "<a&b>", "#no", "None",
    "true", "7", "-1.50",
    "1e5", "[1, 2]", "(a)", "f(x=1)", "\u0663", "\xa0", "\u2028", "a\rb", "\x0c", "\x85",
]
HUGE = [2**31, -(2**63), 2**53 + 1, 10**22, 10**23, 10**40 + 1, int("123456789" * 12)]
REALS = [0.1, -0.0, 1.0, 1e16, 1e22, 123456789.125, 5e-324, 1.7976931348623157e308, -2.5e-7, float("inf")]
PYTHON_TYPES = ["string", "integer", "float", "boolean", "array", "tuple", "dict", "any"]
JAVA_TYPES = [
    "byte", "short", "integer", "float", "double", "long", "boolean", "char", "Array", "ArrayList", "HashMap", "String", "any",
    "Set", "Hashtable", "Queue", "Stack",
]
JAVASCRIPT_TYPES = ["String", "integer", "float", "Bigint", "Boolean", "dict", "array", "any"]
TYPES = {"python": PYTHON_TYPES, "java": JAVA_TYPES, "javascript": JAVASCRIPT_TYPES}


class Written(str):
    """Source text of an argument."""


def some(r, options):
    """One of the options; those that are functions are called with `r`, so that only the chosen one does its work."""
    option = r.choice(options)
    return option(r) if callable(option) else option


def edited(text, r, characters="()[]{}<>,.:;=+-*/%&|'\"`\\ \t\n#$@!?0aA_\u00e9\u00a0\u2019\u200b"):
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


# Values


def typed(kind, r, item=None, depth=0):
    """A value of a type of any of the languages."""
    if kind in ("integer", "byte", "short", "long", "Bigint"):
        return r.choice([r.randrange(-3, 4), r.randrange(10**6), -r.randrange(100), r.choice(HUGE)])
    if kind in ("float", "double", "number"):
        return r.choice([r.randrange(-9, 9) / 2, round(r.uniform(-99, 99), 4), r.choice(REALS)])
    if kind in ("boolean", "Boolean"):
        return r.random() < 0.5
    if kind == "char":
        return r.choice("aZ0'\"\\ ,\u00e9")
    if kind in ("array", "tuple", "Array", "ArrayList", "Queue", "Stack", "Set"):
        item = item or r.choice(["string", "integer", "float"])
        return [] if depth > 2 else [typed(item, r, None, depth + 1) for _ in range(r.randrange(4))]
    if kind in ("dict", "HashMap", "Hashtable", "object"):
        keys = r.sample(WORDS, r.randrange(4)) if depth < 3 else []
        return {key: typed(r.choice(PYTHON_TYPES), r, None, depth + 1) for key in keys}
    return some(r, [WORDS[r.randrange(len(WORDS))], f"{r.choice(WORDS)} {r.choice(WORDS)}", r.choice(PHRASES)])


def anything(r, depth=0):
    """A value of any type, tuples, sets of nothing, bytes and complex numbers too."""
    odd = [None, True, False, 0, 1, "", [], {}, (), [""], [None], {"": ""}, b"ab", 2j, r.choice(HUGE), r.choice(REALS), r.choice(PHRASES)]
    if depth > 1 or r.random() < 0.5:
        return r.choice(odd)
    inner = [anything(r, depth + 1) for _ in range(r.randrange(1, 4))]
    return some(r, [inner, tuple(inner), {r.choice(WORDS): value for value in inner}, {1: inner[0], None: 2, (1, "a"): 3}, [inner]])


def near_text(text, r):
    at = r.randrange(len(text) + 1)
    put = lambda characters: lambda r: text[:at] + r.choice(characters) + text[at:]
    return some(r, [
        text.swapcase(), text.upper(), text.casefold(), text.strip(), text + " ", "\n" + text, text[:-1], text[::-1], text * 2, "", len(text),
        put(" ,./-_*^"), put(" ,./-_*^"), put("\t\n;:!?()+~`|\u00a0\u2013\u2019\u0301\u200d"), put("'\""), text.replace("'", '"'),
        text.replace(" ", r.choice("_-")),
        unicodedata.normalize("NFD", text), [text], (text,), [[text]], {"value": text}, {text: 1}, None, text.encode(), list(text), repr(text),
        json.dumps(text),
        Written(text), text.split(), text.replace("a", "\u0430"), text == "", r.choice(PHRASES),
    ])


def near_number(number, r):
    def converted(kind):
        try:
            return kind(number)
        except (OverflowError, ValueError):
            return 0
    return some(r, [
        lambda r: -number, lambda r: number + 1, lambda r: number * 10, lambda r: converted(float), lambda r: converted(float),
        lambda r: converted(int),
        lambda r: converted(float) * (1 + 2**-52), str(number), f" {number} ", bool(number), [number], (number,), {"value": number}, None,
        r.choice(HUGE), r.choice(REALS),
        lambda r: complex(converted(float), 0.0), lambda r: complex(0.0, 1.0), lambda r: converted(float) + 0.5, "",
    ])


def near_list(items, r):
    items = list(items)
    at = r.randrange(len(items) + 1)
    less = items[:at] + items[at + 1:]
    other = lambda r: items[:at] + [near(item, r) for item in items[at:at + 1]] + items[at + 1:]
    return some(r, [
        other, other, other, other, less, items[:at] + [anything(r)] + items[at:], items + items[:1], items[::-1], sorted(items, key=repr),
        tuple(items), tuple(less),
        [items], [], [[]], str(items), items[0] if items else None, None, dict(enumerate(items)), [near(item, r) for item in items],
        [(item,) for item in items], [str(item) for item in items],
    ])


def near_dict(members, r):
    keys = list(members)
    if not keys:
        return r.choice([{"more": 1}, [], None, "{}", [{}], {"": ""}, {None: None}])
    key = r.choice(keys)
    others = {name: value for name, value in members.items() if name != key}
    other = lambda r: {name: near(value, r) if name == key else value for name, value in members.items()}
    return some(r, [
        other, other, other, others, {**members, r.choice(WORDS): anything(r)}, {**others, str(key).upper(): members[key]},
        {**others, key: members[key]}, {**members, key: [members[key]]},
        {**members, key: ""}, {**members, key: None}, [members], [], {}, list(members.items()), (members,), str(members), json.dumps(plain(members)),
        None, members[key], {**others, 1: members[key]},
    ])


def near(value, r):
    """A value like another one."""
    if isinstance(value, Written) or r.random() < 0.06:
        return anything(r)
    if isinstance(value, bool):
        return r.choice([not value, int(value), float(value), str(value), str(value).lower(), Written(str(value).lower()), None, [value], "yes", ""])
    if isinstance(value, str):
        return near_text(value, r)
    if isinstance(value, (int, float)):
        return near_number(value, r)
    if isinstance(value, (list, tuple)):
        return near_list(value, r)
    if isinstance(value, dict):
        return near_dict(value, r)
    return r.choice(["None", "null", "", 0, False, [], Written("null"), Written("undefined")])


# Calls


def settled(form, r):
    """One of the values that an allowed form stands for: members of dictionaries are lists of alternatives."""
    if isinstance(form, dict):
        found = {}
        for key, forms in form.items():
            plain = [one for one in forms if one != ""] if isinstance(forms, list) else [forms]
            if plain and not (isinstance(forms, list) and "" in forms and r.random() < 0.5):
                found[key] = settled(r.choice(plain), r)
        return found
    return [settled(item, r) for item in form] if isinstance(form, list) else form


def expected(truth, r):
    """Calls that the expected ones allow."""
    calls = []
    for call in truth:
        ((name, parameters),) = call.items()
        arguments = []
        for parameter, forms in parameters.items():
            forms = forms if isinstance(forms, list) else [forms]
            plain = [form for form in forms if form != ""]
            if plain and not ("" in forms and r.random() < 0.5):
                arguments.append([parameter, settled(r.choice(plain), r)])
        calls.append([name, arguments])
    return calls


def completed(calls, functions, r):
    """Calls with values for some parameters more, of their types, whatever is expected."""
    types = {(function["name"], key): one for function in functions for key, one in function["parameters"]["properties"].items()}
    for name, arguments in calls:
        given = {parameter for parameter, _ in arguments}
        for (function, parameter), documented in types.items():
            if function == name and parameter not in given and r.random() < 0.2:
                arguments.append([parameter, typed(documented.get("type"), r, documented.get("items", {}).get("type"))])
    return calls


def faulty(calls, functions, names, r):
    """Calls with one fault more: in a value (two times of three), a parameter, a name or the list of calls."""
    calls = copy.deepcopy(calls)
    if not calls:
        return [[r.choice(names), []]]
    at = r.randrange(len(calls))
    name, arguments = calls[at]
    kind = r.randrange(36)
    # Lists and dictionaries are rare, and have more to be checked.
    places = [r.randrange(len(arguments)) for _ in range(3)] if arguments else [None]
    place = next((place for place in places if isinstance(arguments[place][1], (list, dict))), places[0]) if arguments else None
    if place is not None and kind < 24:
        arguments[place][1] = near(arguments[place][1], r)
    elif kind < 26:
        documented = [function for function in functions if function["name"] == name]
        properties = documented[0]["parameters"]["properties"] if documented else {}
        parameter = r.choice([*properties] or WORDS)
        arguments.append([parameter, r.choice([anything(r), typed(properties.get(parameter, {}).get("type"), r)])])
    elif kind == 26:
        arguments.insert(r.randrange(len(arguments) + 1), [r.choice(WORDS), anything(r)])
    elif kind == 27:
        calls.insert(at, copy.deepcopy(calls[at]))
    elif kind == 28:
        calls.pop(at)
    elif kind == 29:
        r.shuffle(calls)
    elif kind == 30:
        calls[at][0] = some(r,
            [name.replace(".", "_"), name.replace("_", "."), name.split(".")[-1], name + "." + name, name.capitalize(), r.choice(names), "",
                "self." + name])
    elif kind == 31:
        calls.append([r.choice(names), [[r.choice(WORDS), anything(r)]]])
    elif place is None:
        r.shuffle(calls)
    elif kind == 32:
        arguments.pop(place)
    elif kind == 33:
        r.shuffle(arguments)
    elif kind == 34:
        parameter = arguments[place][0]
        arguments[place][0] = r.choice([parameter.upper(), parameter + "s", "_" + parameter, parameter[::-1], "lambda", "\u00b5", "\ufb01t",
            parameter.replace("_", "")])
    else:
        arguments.append(copy.deepcopy(arguments[place]))
    return calls


# Python text


def python_string(text, r):
    plain = not set(text) & set("\\\n\r'\"{}")
    escaped = lambda r: "'" + "".join(
        r.choice([f"\\u{ord(c):04x}",
            f"\\U{ord(c):08x}"] + ([f"\\x{ord(c):02x}",
                f"\\{ord(c):03o}"] if ord(c) < 256 else [])) if r.random() < 0.4 or c in "\\'\n\r" else c for c in text
    ) + "'"
    if r.random() < 0.75 or not plain:
        return some(r, [repr(text), repr(text), json.dumps(text), json.dumps(text, ensure_ascii=False), escaped if len(text) < 40 else repr(text)])
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
        return usual if r.random() < 0.93 else r.choice([hex(value), bin(value), oct(value), f"{value:_}", f"+{value}", f"({value})", f"{usual}.",
            sign + "0" + usual.lstrip("-"), f"{value} * 1", usual + "e0"])
    gap = r.choice(["", " ", " ", "\n"])
    tail = "," if value and r.random() < 0.05 else ""
    if isinstance(value, dict):
        return "{" + f",{gap}".join(f"{python(key, r)}:{gap}{python(one, r)}" for key, one in value.items()) + tail + "}"
    if isinstance(value, (list, tuple)):
        inner = f",{gap}".join(python(one, r) for one in value)
        return f"[{inner}{tail}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else tail})"
    return repr(value)


def python_atom(r):
    return r.choice(["1", "-2", "0", "2.5", "7", "10", "3j", "'ab'", "\"c\"", "b'd'", "True", "None", "...", "name", "a.b", "[1, 2]", "(1, 'x')",
        "{'k': 1}", "{1, 2}", "()", "[]", "{}", "f()", "g(1, 'y')", "h(p=1)", "'%d'", "1e3", "0x1f", "1_0"])


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
    return r.choice([f"new {kind}[]{{{inner}}}", f"new {kind}[]{{{inner}}}", f"new {kind}[] {{ {inner} }}", f"new {kind}[]{{{inner},}}",
        f"new {kind}[{len(items)}]", f"{{{inner}}}", f"new {kind}[][]{{{{{inner}}}}}", f"new {kind}[]{{{inner}}}.clone()", f"new a.B[]{{{inner}}}"])


def java(value, kind, item, r):
    """A value as a Java expression of a documented type."""
    if isinstance(value, Written):
        return str(value)
    if r.random() < 0.04:
        return java_expression(r)
    if isinstance(value, bool) or value is None:
        usual = {True: "true", False: "false", None: "null"}[value]
        return usual if r.random() < 0.9 else r.choice([str(value), f"Boolean.{usual.upper()}", f"!{usual}", f"({usual})", f'"{usual}"',
            f"Boolean.valueOf({usual})"])
    if isinstance(value, (int, float)):
        suffix = {"long": "L", "float": "f", "double": ""}.get(kind, "") if r.random() < 0.85 else r.choice("LlfFdD")
        usual = f"{value!r}{suffix}"
        return usual if r.random() < 0.85 else r.choice([f"(long) {usual}", f"Integer.valueOf({usual})", f"new Long({usual})", f"+{usual}",
            f"({usual})", f"{usual} + 1", f"0x1F{suffix}", f"1_000{suffix}", f"{usual}.0", f'"{usual}"', f"1e3{suffix}", f".5{suffix}", f"-{usual}",
            f"{usual}\u0663"])
    if isinstance(value, str):
        if kind == "char":
            return r.choice([c_string(value[:1], r, "'"), c_string(value, r, "'"), f"(char) 97", c_string(value, r)])
        bare = value.isidentifier() and kind != "String" and r.random() < 0.6
        return value if bare else some(r,
            [c_string(value, r)] * 8 + [f'"{value}"', f"'{value}'", f'"a" + {c_string(value, r)}', f"{c_string(value, r)}.trim()",
                f"new String({c_string(value, r)})", f'"""\n{value}"""', value])
    if isinstance(value, dict):
        generic = r.choice(["", "String, Object", "String, Integer", "String, List<Integer>", "?, ?"])
        puts = "".join(f"{r.choice(['', ' '])}put({c_string(str(key), r)},{r.choice(['', ' '])}{java(one, 'any', None, r)});" for key,
            one in value.items())
        pairs = ", ".join(f"{c_string(str(key), r)}, {java(one, 'any', None, r)}" for key, one in value.items())
        return r.choice([f"new HashMap<{generic}>() {{{{{puts} }}}}", f"new HashMap<{generic}>() {{{{ {puts}}}}}", f"new HashMap<{generic}>()",
            f"Map.of({pairs})", f"new HashMap<{generic}>(Map.of({pairs}))", f"new HashMap<{generic}>() {{ {{{puts}}} }}", f"new TreeMap<{generic}>()",
            f"new HashMap<{generic}>(16)"])
    if isinstance(value, (list, tuple)):
        return java_array(value, item, r) if kind == "Array" and r.random() < 0.9 else java_list(value, item, r)
    return java_expression(r)


def java_expression(r, depth=0):
    atoms = ["x", "1", "2L", "3.5f", "1e-3", "'c'", '"s"', '"a, b"', "true", "null", "this", "super.x", "A.class", "int[].class", "a.b.C",
        "\"\\t\\u00e9\"", "'\\''", "0b11", "0x1.8p1", "\u00e9", "$v", "_x", "new A()"]
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
        return usual if r.random() < 0.9 else r.choice([str(value), f"!{usual}", f"!!{usual}", "undefined", f"Boolean({usual})", f"({usual})",
            f"'{usual}'"])
    if isinstance(value, (int, float)):
        usual = f"{value!r}{'n' if kind == 'Bigint' and r.random() < 0.85 else ''}"
        return usual if r.random() < 0.85 else r.choice([f"{usual}n", f"+{usual}", f"({usual})", f"Number({usual})", f"BigInt({usual})", "0x1f",
            "1_000", "0o17", f"{usual}.0", f"-{usual}", f"{usual} * 1", "NaN", "-Infinity", f"'{usual}'", ".5", "5."])
    if isinstance(value, str):
        return value if value.isidentifier() and r.random() < 0.3 else some(r,
            [c_string(value, r)] * 4 + [c_string(value, r, "'")] * 4 + [f"`{value}`", f"'{value}'", f'"{value}"', f"`a${{b}}{value}`",
                f"{c_string(value, r)} + 'z'", f"String({c_string(value, r)})", value])
    if isinstance(value, dict):
        def key(name):
            return r.choice([c_string(str(name), r), c_string(str(name), r, "'"), str(name), str(name), f"[{c_string(str(name), r)}]"])
        pairs = [f"{key(name)}{r.choice([': ', ':', ' : '])}{javascript(one, 'any', None, r)}" for name, one in value.items()]
        pairs += [some(r,
            [f"...{r.choice(WORDS)}", r.choice(WORDS), "f() { return 1; }", "get x() { return 2; }", "async f() {}"])] if r.random() < 0.1 else []
        gap = r.choice([", ", ",", ",\n  "])
        return r.choice(["{%s}", "{%s}", "{ %s }", "{%s,}", "({%s})", "new Map({%s})", "Object.assign({}, {%s})"]) % gap.join(pairs)
    if isinstance(value, (list, tuple)):
        inner = r.choice([", ", ",", " , "]).join(javascript(one, item or "any", None, r) for one in value)
        return r.choice(["[%s]", "[%s]", "[%s]", "[ %s ]", "[%s,]", "new Array(%s)", "[...%s]", "[, %s]", "Array.of(%s)", "new Set([%s])", "[[%s]]",
            "[[%s], [1]]", "new Array([%s])"]) % inner.replace("%", "")
    return javascript_expression(r)


def javascript_expression(r, depth=0):
    atoms = ["x", "1", "2n", "'s'", '"a, b"', "`t`", "`a${x}b`", "true", "null", "undefined", "this", "/a[/]b/gi", "NaN", "{}", "[]", "{a: 1}",
        "{'a-b': [1, 2]}", "\u00e9", "$x", "_y", "#z", "0xF", "1_0", "-0", "new A", "'\\x41\\u{1F600}'", "'it\\'s'", "async", "let"]
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


def plain(value):
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def json_arguments(arguments, r):
    """The arguments of a native call as JSON text."""
    text = json.dumps({parameter: plain(value) for parameter, value in arguments}, ensure_ascii=r.random() < 0.5,
        indent=r.choice([None, None, None, 1]))
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
        listed[at] = some(r,
            [{"name": 1}, {"function": "f"}, {**listed[at], "id": 1}, {"parameters": {}, "function": "f"}, [listed[at]], "text", None,
                {"function": ["f"], "parameters": {}}, {"function": None, "parameters": 3}])
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
        out.append(f"<function name={quoteattr(name)}>" if r.random() < 0.97 else r.choice([f"<function id={quoteattr(name)}>",
            f"<function name = '{escape(name)}' a=\"1\" >", f"<function name={name}>", f"<Function name={quoteattr(name)}>"]))
        held = verbose and r.random() < 0.8
        out.append("<params>" if held else "")
        for parameter, value in arguments:
            kind = XML_TYPES.get(type(value),
                "string") if r.random() < 0.93 else r.choice(["string", "integer", "float", "boolean", "null", "array", "tuple", "object", "dict",
                    "number", ""])
            text = (str(value) if isinstance(value, (str, int, float)) else repr(value)) if r.random() < 0.93 else r.choice(XML_VALUES)
            typing = f" type={quoteattr(kind)}" if r.random() < 0.95 else ""
            named = f"name={quoteattr(parameter)}"
            if verbose:
                parts = [named, f"value={quoteattr(text)}", typing.strip()]
                r.shuffle(parts)
                out.append(r.choice(["<param %s/>", "<param %s />", "<param %s></param>", "<param %s>text</param>"]) % " ".join(parts).replace("%",
                    "%%").replace("%%", "%"))
            else:
                inner = r.choice([escape(text)] * 6 + [f" {escape(text)}\n", f"<![CDATA[{text}]]>", f"{escape(text)}<!-- c -->",
                    f"<!-- c -->{escape(text)}", "".join(f"&#{ord(c)};" if ord(c) > 31 else c for c in text), f"<b>{escape(text)}</b>", ""])
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


# Entries


def mended(value):
    """Data as they come back from a JSON file, which has neither tuples nor infinities that other readers know."""
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return 1e300
    if isinstance(value, (list, tuple)):
        return [mended(one) for one in value]
    if isinstance(value, dict):
        return {str(key): mended(one) for key, one in value.items()}
    if isinstance(value, str):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float)) else repr(value)


def alternatives(value, r):
    """A value as an allowed form: members of dictionaries become lists of alternatives, mostly."""
    if isinstance(value, dict):
        return {key: [alternatives(one, r)] + r.choice([[], [], [""], [None]]) if r.random() < 0.9 else one for key, one in value.items()}
    return [alternatives(one, r) for one in value] if isinstance(value, (list, tuple)) else value


def forms(documented, r):
    """What may be allowed for a parameter."""
    item = documented.get("items", {}).get("type")
    good = [alternatives(typed(documented.get("type"), r, item), r) for _ in range(r.choice([1, 1, 1, 2, 3]))]
    odd = r.random()
    if odd < 0.08:
        good.insert(r.randrange(len(good) + 1), alternatives(anything(r), r))
    elif odd < 0.14:
        good = r.choice([[""], [], 3, None, ["", ""], [[]], [{}], [[{}]], [[""]], [None], [[1], "x"], ["name"], [["a"], {}], [{"a": "abc"}],
            [{"a": 5}], [[["a"]]]])
    if isinstance(good, list) and r.random() < 0.3:
        good.insert(r.randrange(len(good) + 1), "")
    return mended(good)


def made_up(language, r):
    """Functions and expected calls that nobody has thought out: `(functions, truth)`."""
    functions, truth = [], []
    for number in range(r.choice([1, 1, 2, 3])):
        name = r.choice([f"{r.choice(WORDS)}_{number}", f"{r.choice(WORDS)}.{r.choice(WORDS)}{number}", f"a.b_c.d{number}"])
        properties = {}
        for parameter in r.sample(WORDS, r.choice([0, 1, 1, 2, 2, 3, 5])):
            kinds = TYPES[language] + (["dict", "array"] if language == "python" else [])
            documented = {"type": r.choice(kinds) if r.random() < 0.95 else r.choice(["number", "object", "Any", "String", "string", "list", "Array",
                "null"])}
            if documented["type"] in ("array", "tuple", "Array", "ArrayList") and r.random() < 0.97:
                documented["items"] = {"type": r.choice(kinds)} if r.random() < 0.96 else r.choice([{}, {"type": "number"}])
            if r.random() < 0.1:
                documented.update(default=1, enum=["a"], properties={})
            properties[parameter] = documented if r.random() < 0.99 else {"description": "typeless"}
        required = [parameter for parameter in properties if r.random() < 0.5] + (["elsewhere"] if r.random() < 0.02 else [])
        parameters = {"type": "dict", "properties": properties, "required": required}
        if r.random() < 0.02:
            del parameters["required"]
        functions.append({"name": name, "parameters": parameters})
        allowed = {parameter: forms(documented, r) for parameter, documented in properties.items() if r.random() < 0.95}
        if r.random() < 0.03:
            allowed["unheard_of"] = [1]
        truth.append({name: allowed})
    if r.random() < 0.4:
        truth = [copy.deepcopy(r.choice(truth)) for _ in range(r.choice([0, 1, 2, 3, 3, 9]))]
    elif r.random() < 0.5:
        truth = truth[:1]
    return (functions if r.random() < 0.98 else functions[1:] + functions[:1]), truth


def other_truth(truth, functions, r):
    """Expected calls with other allowed values, parameters or names, and functions with other types."""
    truth, functions = copy.deepcopy(truth), copy.deepcopy(functions)
    ((name, allowed),) = r.choice(truth).items()
    parameter = r.choice(list(allowed)) if allowed else None
    properties = {key: one for function in functions for key, one in function["parameters"]["properties"].items()}
    kind = r.randrange(11)
    if kind == 0:
        r.choice(functions)["parameters"]["required"] = r.sample(list(properties), min(len(properties), 2))
    elif kind == 1:
        truth.append(copy.deepcopy(r.choice(truth)))
    elif kind == 2:
        r.shuffle(truth)
    elif parameter is None:
        truth.append({name: {}})
    elif kind == 3:
        del allowed[parameter]
    elif kind == 4 and parameter in properties:
        properties[parameter]["type"] = r.choice(PYTHON_TYPES)
        properties[parameter].setdefault("items", {"type": r.choice(PYTHON_TYPES)})
    elif kind == 5:
        allowed[parameter] = r.choice([[], [""], None, [None], [[]], [{}], 0])
    elif kind == 6 and isinstance(allowed[parameter], list):
        allowed[parameter].insert(r.randrange(len(allowed[parameter]) + 1), "")
    elif kind == 7:
        allowed[parameter] = forms(properties.get(parameter, {}), r)
    elif isinstance(allowed[parameter], list):
        allowed[parameter] = mended([near(form, r) if form != "" and r.random() < 0.7 else form for form in allowed[parameter]])
    return functions, truth
