"""A toy language whose functions are compiled when a call first needs them.

`toy.py 'twice x = x + x' 'four x = twice(twice(x))' four 10` says 40, and names what was compiled. An expression is a parameter, a
number, a call, a sum, a difference or a product, as Python has them.
"""

import ast
import ctypes
import sys

import uruk

OPERATORS = {ast.Add: "iadd", ast.Sub: "isub", ast.Mult: "imul"}


class Body:
    """A function of integers in Cranelift's language, as it is made."""

    def __init__(self, name, parameters, expression):
        self.values = {parameter: f"v{number}" for number, parameter in enumerate(parameters)}
        self.count = len(parameters)
        self.callees, self.code = [], []
        result = self.value(ast.parse(expression, mode="eval").body)
        entry = ", ".join(f"{value}: i64" for value in self.values.values())
        lines = [f"function %{name}{self.signature(len(parameters))} {{", *self.callees, f"block0({entry}):", *self.code, f"return {result}", "}"]
        self.text = "\n".join(lines)

    @staticmethod
    def signature(count):
        return f"({', '.join(['i64'] * count)}) -> i64 system_v"

    def emit(self, instruction):
        self.count += 1
        self.code.append(f"v{self.count - 1} = {instruction}")
        return f"v{self.count - 1}"

    def value(self, node):
        match node:
            case ast.Name(id=name) if name in self.values:
                return self.values[name]
            case ast.Constant(value=int(number)):
                return self.emit(f"iconst.i64 {number}")
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
                return self.emit(f"{OPERATORS[type(operator)]} {self.value(left)}, {self.value(right)}")
            case ast.Call(func=ast.Name(id=name), args=arguments):
                values = ", ".join(map(self.value, arguments))
                self.callees.append(f"fn{len(self.callees)} = %{name}{self.signature(len(arguments))}")
                return self.emit(f"call fn{len(self.callees) - 1}({values})")
        raise SyntaxError(f"`{ast.unparse(node)}` is nothing that this language has")


class Compiler(uruk.Generator):
    """Asked for a body that is missing: by the first call of its function."""

    name = "the toy's compiler"

    def __init__(self, functions):
        self.functions = functions

    def generate(self, wanted):
        for name in self.functions.keys() & set(wanted.names):
            print(f"compiling {name}", flush=True)
            wanted.dylib.add_clif(Body(name, *self.functions[name]).text, name=name)


def main(definitions, entry, argument):
    functions = {}
    for definition in definitions:
        head, expression = definition.split("=")
        name, *parameters = head.split()
        functions[name] = parameters, expression.strip()
    # What cannot be compiled is raised here, and does not end the process.
    with uruk.Jit(lazy_failure="raise") as program:
        bodies = program.create_dylib("bodies")
        bodies.add_generator(Compiler(functions))
        # Whoever calls a function calls a stub, whose first call asks for the body.
        program.lazy_reexport(bodies, *functions)
        print(program.function(entry, ctypes.c_int64)(int(argument)))


if __name__ == "__main__":
    main(sys.argv[1:-2], *sys.argv[-2:])
