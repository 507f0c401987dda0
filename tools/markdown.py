"""Fenced blocks of a Markdown file."""

import re
from dataclasses import dataclass


@dataclass
class Fence:
    language: str
    line: int  # of the opening fence, from 1
    text: str
    source: str  # of a comment `<!-- file: PATH -->` on the line before it, or ''


def fences(text):
    found, opened, before = [], None, ''
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if opened is not None and line.rstrip() == '```':
            found.append(opened)
            opened = None
        elif opened is not None:
            opened.text += line
        elif match := re.match(r'```(\w*)', line):
            source = re.fullmatch(r'<!-- file: (\S+) -->', before.strip())
            opened = Fence(match.group(1), number, '', source.group(1) if source else '')
        before = line
    return found


def without_fences(text):
    """`text` with the insides of fences and of `code` blanked; lines keep their numbers."""
    text = re.sub(r'^```.*?^```', lambda m: '\n' * m.group(0).count('\n'), text,
                  flags=re.DOTALL | re.MULTILINE)
    return re.sub(r'`[^`\n]*`', '', text)
