"""C++ text as the checks see it: without comments and literals, and cut into functions."""

import re
from dataclasses import dataclass

# One alternative per thing whose inside must not be read as code.
_OPAQUE = re.compile(
    r'''//[^\n]*|/\*.*?\*/'''
    r'''|R"(?P<fence>[^()\\\s]*)\(.*?\)(?P=fence)"'''
    r'''|"(?:[^"\\\n]|\\.)*"'''
    r'''|(?<![0-9A-Fa-f])'(?:[^'\\\n]|\\.)+\'''',
    re.DOTALL)


def without_comments_and_literals(text):
    """`text` with comments and the insides of literals blanked; lines keep their numbers."""

    def blank(match):
        return re.sub(r'[^\n]', ' ', match.group(0))

    return _OPAQUE.sub(blank, text)


@dataclass
class Function:
    name: str
    line: int
    lines: int


_SCOPE = re.compile(r'\b(namespace|class|struct|union|enum|extern)\b')
_NAME = re.compile(r'([~\w:]+|operator\s*[^\s\w(]+|operator\s*\(\))\s*\(')


def functions(text):
    """The function bodies of `text`, by matching braces; lambdas belong to their function."""
    code = re.sub(r'(?m)^[ \t]*#(?:[^\n\\]|\\\n|\\.)*', lambda m: re.sub(r'[^\n]', ' ', m.group(0)),
                  without_comments_and_literals(text))
    found, stack, head_start = [], [], 0
    for at, char in enumerate(code):
        if char == '{':
            head = code[head_start:at]
            stack.append(_kind(head, stack, code.count('\n', 0, at) + 1))
            head_start = at + 1
        elif char == '}':
            opened = stack.pop() if stack else None
            if isinstance(opened, Function):
                opened.lines = code.count('\n', 0, at) + 2 - opened.line
                found.append(opened)
            head_start = at + 1
        elif char == ';':
            head_start = at + 1
    return found


def _kind(head, stack, line):
    """What the brace after `head` opens: a scope, a Function, or something inside one."""
    if any(opened != 'scope' for opened in stack):
        return 'inner'
    name = _NAME.search(head)
    if name is None:
        return 'scope' if _SCOPE.search(head) else 'inner'
    return Function(name.group(1), line - head.strip('\n ').count('\n'), 0)
