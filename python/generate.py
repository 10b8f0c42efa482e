"""Makes `uruk/_abi.py`, the C interface for ctypes, from the C header. With `--check` it only says whether that is fresh."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
HEADER = HERE.parent / "crates" / "uruk-capi" / "include" / "uruk.h"
ABI = HERE / "uruk" / "_abi.py"

NUMBERS = {
    "uint8_t": "c_uint8",
    "uint16_t": "c_uint16",
    "uint32_t": "c_uint32",
    "int32_t": "c_int32",
    "uint64_t": "c_uint64",
    "int64_t": "c_int64",
    "size_t": "c_size_t",
    "uruk_status": "c_int32",
}

HEAD = '''"""The C interface of Uruk: constants, structures, functions. Made by `generate.py` from `uruk.h`; do not edit."""

from ctypes import *

'''


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


class Types:
    """What the header's names mean to ctypes."""

    def __init__(self):
        self.structures = set()
        self.handles = set()
        self.functions = set()
        self.numbers = dict(NUMBERS)

    def type(self, text):
        """The ctypes type of a C type."""
        text = " ".join(text.replace("*", " * ").split())
        words = [word for word in text.split() if word != "const"]
        stars = words.count("*")
        name = words[0]
        if name in self.functions:
            return name
        if name in self.handles:
            inner, stars = "c_void_p", stars - 1
        elif name == "void":
            if stars == 0:
                return "None"
            inner, stars = "c_void_p", stars - 1
        elif name == "char":
            # What is constant is read as a text, what is not is only passed on.
            inner, stars = ("c_char_p" if "const" in text else "c_void_p"), stars - 1
        else:
            inner = self.numbers.get(name, name)
        for _ in range(stars):
            inner = f"POINTER({inner})"
        return inner

    def parameters(self, text):
        """The types of parameters, each with its name."""
        text = " ".join(text.split())
        if text in ("", "void"):
            return []
        parts, depth, start = [], 0, 0
        for at, letter in enumerate(text + ","):
            depth += (letter == "(") - (letter == ")")
            if letter == "," and depth == 0:
                parts.append(text[start:at].strip())
                start = at + 1
        return [self.parameter(part) for part in parts]

    def parameter(self, text):
        function = re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", text)
        if function:
            return self.function(function[1], function[3])
        return self.type(re.fullmatch(r"(.*?)(\w+)", text)[1])

    def function(self, result, parameters):
        """The type of a callback; of pointers, ctypes lets one return plain ones only."""
        returned = self.type(result)
        returned = "c_void_p" if returned.startswith("POINTER") else returned
        return f"CFUNCTYPE({', '.join([returned] + self.parameters(parameters))})"


def declarations(text):
    """The header's declarations, one by one."""
    text = without_comments(text)
    for name, value in re.findall(r"^#define (URUK_\w+) (\w+)$", text, flags=re.M):
        yield "constant", name, value
    for name, value in re.findall(r"^\s*(URUK_\w+) = (\d+),$", text, flags=re.M):
        yield "constant", name, value
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    text = text[: text.index('extern "C" {')] + ";" + text[text.index('extern "C" {') + len('extern "C" {') :]
    text = re.sub(r"enum uruk_status[^{]*\{.*?\};", "", text, flags=re.S)
    for match in re.finditer(r"typedef struct \{(.*?)\} (\w+);|([^;{}]+);", text, flags=re.S):
        if match[2]:
            yield "structure", match[2], match[1]
        elif (plain := " ".join(match[3].split())).startswith("typedef struct "):
            yield "handle", plain.split()[-1], None
        elif plain.startswith("typedef ") and "(*" in plain:
            result, name, parameters = re.fullmatch(r"typedef (.*?)\(\*(\w+)\)\((.*)\)", plain).groups()
            yield "callback", name, (result, parameters)
        elif number := re.fullmatch(r"typedef (\w+) (uruk_\w+)", plain):
            yield "number", number[2], number[1]
        elif function := re.fullmatch(r"(.*?)(uruk_\w+)\((.*)\)", plain):
            yield "function", function[2], (function[1], function[3])


def fields(types, text):
    for declaration in filter(None, (" ".join(part.split()) for part in text.split(";"))):
        if function := re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", declaration):
            yield function[2], types.function(function[1], function[3])
        elif array := re.fullmatch(r"(.*?)(\w+)\[(\d+)\]", declaration):
            yield array[2], f"{types.type(array[1])} * {array[3]}"
        else:
            plain = re.fullmatch(r"(.*?)(\w+)", declaration)
            yield plain[2], types.type(plain[1])


def generate(header):
    types, lines, functions = Types(), [], []
    for kind, name, rest in declarations(header):
        if kind == "constant":
            lines.append(f"{name} = {rest}")
        elif kind == "handle":
            types.handles.add(name)
        elif kind == "number":
            types.numbers[name] = NUMBERS[rest]
        elif kind == "structure":
            types.structures.add(name)
            lines.append(f"\n\nclass {name}(Structure):\n    _fields_ = [")
            lines.extend(f'        ("{field}", {type}),' for field, type in fields(types, rest))
            lines.append("    ]")
        elif kind == "callback":
            types.functions.add(name)
            lines.append(f"\n\n{name} = {types.function(*rest)}")
        else:
            parameters = ", ".join(types.parameters(rest[1]))
            functions.append(f'    "{name}": ({types.type(rest[0])}, [{parameters}]),')
    structures = ", ".join(sorted(types.structures))
    lines.append(f"\n\nSTRUCTURES = [{structures}]")
    lines.append("\nFUNCTIONS = {")
    return HEAD + "\n".join(lines + functions + ["}"]) + "\n"


if __name__ == "__main__":
    made = generate(HEADER.read_text())
    if "--check" not in sys.argv:
        ABI.write_text(made)
    elif ABI.read_text() != made:
        sys.exit("python/uruk/_abi.py is stale: run python/generate.py, and check the change in")
