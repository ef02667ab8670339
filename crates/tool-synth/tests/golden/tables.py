"""Writes src/value/tables.rs: what Python 3.11 says about single characters. Needs Python 3.11 alone.

    python3.11 tables.py > ../../src/value/tables.rs
"""
import sys
import unicodedata


def ranges(holds):
    start, found = None, []
    for point in range(sys.maxunicode + 2):
        inside = point <= sys.maxunicode and not 0xD800 <= point <= 0xDFFF and holds(chr(point))
        if inside and start is None:
            start = point
        elif not inside and start is not None:
            found.append((start, point - 1))
            start = None
    return found


def emit(name, doc, items, kind):
    print(f"\n/// {doc}\npub(crate) static {name}: [{kind}; {len(items)}] = [")
    line = "   "
    for item in items:
        text = f" ({item[0]:#x}, {item[1]:#x})," if isinstance(item, tuple) else f" {item:#x},"
        if len(line) + len(text) > 118:
            print(line)
            line = "   "
        line += text
    print(line)
    print("];")


print(f"//! Tables of characters, as Python {sys.version.split()[0]} knows them (Unicode {unicodedata.unidata_version}).")
print("//!\n//! Written by `tests/golden/tables.py`.")
# Beyond the private planes nothing is printable, so that the table ends early.
emit("UNPRINTABLE", "First and last of each run of characters that `repr` escapes.",
     ranges(lambda c: not c.isprintable()), "(u32, u32)")
emit("DIGIT_ZEROS", "The zero of each run of ten decimal digits beyond ASCII.",
     [p for p in range(0x80, sys.maxunicode + 1) if unicodedata.decimal(chr(p), -1) == 0], "u32")
