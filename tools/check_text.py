#!/usr/bin/env python3
"""Checks the repository's text: links, quoted files, the changelog, leftovers.

    tools/check_text.py               prints every violation and exits 1 when there is one
    tools/check_text.py --self-test   prove that each check can fail
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from markdown import fences, without_fences  # noqa: E402

# Written in pieces, so that this file does not contain what it looks for.
LEFTOVER = re.compile(r'\b(TO' r'DO|FIX' r'ME|X' r'XX|HA' r'CK)\b')
UNRUN_TEST = re.compile(r'\bDISABLED_' r'\w|GTEST_' r'SKIP')
MACHINE_PATH = re.compile(r'(?<![\w.])/(work|home|root|Users|mnt|workspace)/[\w.-]+')
BUCKETS = ('Safety and performance', 'Features', 'Internals')
PUBLIC_PAGES = ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE', 'docs/architecture.md',
                'docs/mapreduce.md', 'docs/formats/intermediate.md')


def tracked(root):
    listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                            cwd=root, check=True, capture_output=True).stdout
    return sorted(p for p in listed.decode().split('\0') if p and (root / p).is_file())


def read(root, path):
    """The text of a file, or None when it is not text."""
    try:
        return (root / path).read_text(encoding='utf-8')
    except UnicodeDecodeError:
        return None


def check_leftovers(root, path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if LEFTOVER.search(line):
            yield f'{path}:{number}: leftover note: do it, or write it into an issue'
        if UNRUN_TEST.search(line):
            yield f'{path}:{number}: a test that does not run: repair or remove it'
        if match := MACHINE_PATH.search(line):
            yield f'{path}:{number}: {match.group(0)} is a path of one machine'
        if path != 'LICENSE' and line != line.rstrip() and Path(path).suffix in ('.md', '.py', '.cc', '.h'):
            yield f'{path}:{number}: white space at the end of the line'


def anchor(heading):
    return re.sub(r'[^\w\- ]', '', heading.replace('`', '').lower()).strip().replace(' ', '-')


def check_links(root, path, text):
    if not path.endswith('.md'):
        return
    prose = without_fences(text)
    for match in re.finditer(r'\[[^\]]*\]\(([^)\s]+)\)', prose):
        target, _, part = match.group(1).partition('#')
        line = prose.count('\n', 0, match.start()) + 1
        if re.match(r'[a-z]+:', target):
            continue
        file = (root / path).parent / target if target else root / path
        if not file.exists():
            yield f'{path}:{line}: link to {target}, which does not exist'
        elif part and part not in [anchor(h) for h in
                                   re.findall(r'^#+ (.*)$', file.read_text(), re.MULTILINE)]:
            yield f'{path}:{line}: link to {match.group(1)}: no such heading'


def check_quotes(root, path, text):
    """A block after `<!-- file: PATH -->` is that file, word for word."""
    if not path.endswith('.md'):
        return
    for fence in fences(text):
        if fence.source and not (root / fence.source).is_file():
            yield f'{path}:{fence.line}: quotes {fence.source}, which does not exist'
        elif fence.source and (root / fence.source).read_text() != fence.text:
            yield f'{path}:{fence.line}: differs from {fence.source}, which it quotes'


def check_changelog(root, path, text):
    if path != 'CHANGELOG.md':
        return
    versions = re.split(r'^## ', text, flags=re.MULTILINE)[1:]
    if not versions:
        yield f'{path}: has no version (`## 0.1.0 - unreleased`)'
    for version in versions:
        title = version.splitlines()[0]
        if not re.match(r'\d+\.\d+\.\d+ - (\d{4}-\d\d-\d\d|unreleased)$', title):
            yield f'{path}: version `{title}` is not `N.N.N - YYYY-MM-DD` or `N.N.N - unreleased`'
        found = re.findall(r'^### (.*)$', version, re.MULTILINE)
        if found != [b for b in BUCKETS if b in found] or not found:
            yield f'{path}: {title}: the sections are {", ".join(BUCKETS)}, in this order'


def check_limits(root, path, text):
    """Every name in a table of limits is one in the code."""
    section = re.search(r'^## Limits\n(.*?)(^## |\Z)', text, re.DOTALL | re.MULTILINE)
    if section is None or not path.endswith('.md'):
        return
    code = '\n'.join(f.read_text() for folder in ('include', 'src')
                     for f in sorted((root / folder).rglob('*')) if f.suffix in ('.h', '.cc'))
    for cell in re.findall(r'^\| (`.*?) \|', section.group(1), re.MULTILINE):
        for name in re.findall(r'`(\w+)`', cell):
            if not re.search(rf'\b{name}\b', code):
                yield f'{path}: the limit {name} is not in the code'


CHECKS = (check_leftovers, check_links, check_quotes, check_changelog, check_limits)


def violations(root, paths):
    found = []
    for path in paths:
        text = read(root, path)
        if text is not None:
            found += [v for check in CHECKS for v in check(root, path, text)]
    return found


UNSOUND = (
    ({'a.cc': '// TO' 'DO: later\n'}, 'leftover'),
    ({'a_test.cc': 'TEST(A, DISABLED_' 'B) {}\n'}, 'does not run'),
    ({'a.py': 'open("/ho' 'me/me/x")\n'}, 'path of one machine'),
    ({'a.md': 'words \n'}, 'white space'),
    ({'a.md': 'see [there](b.md)\n'}, 'does not exist'),
    ({'a.md': 'see [there](b.md#part)\n', 'b.md': '# Whole\n'}, 'no such heading'),
    ({'a.md': '<!-- file: x.py -->\n```python\nold\n```\n', 'x.py': 'new\n'}, 'differs from x.py'),
    ({'a.md': '<!-- file: y.py -->\n```python\nold\n```\n'}, 'quotes y.py, which does not exist'),
    ({'CHANGELOG.md': '## soon\n### Features\n'}, 'version `soon`'),
    ({'CHANGELOG.md': '## 1.0.0 - 2026-01-01\n### Internals\n### Features\n'}, 'the sections are'),
    ({'a.md': '## Limits\n| `kGone` | 1 |\n', 'src/a.h': 'int kThere = 1;\n'}, 'the limit kGone'),
    ({'CHANGELOG.md': '# Changes\n'}, 'has no version'),
)
SOUND = {
    'a.md': '# One `two`\n[x](b.md#one-two) [y](#one-two) `[z](no.md)`\n## Limits\n| `kThere` | 1 |\n<!-- file: x.py -->\n```python\nnew\n```\n',
    'src/a.h': 'int kThere = 1;\n', 'b.md': '# One two\n', 'x.py': 'new\n',
    'CHANGELOG.md': '## 1.0.0 - unreleased\n### Features\n- A\n### Internals\n',
}


def self_test():
    failed = 0
    for files, expected in ((SOUND, None),) + UNSOUND:
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                file = Path(folder) / path
                file.parent.mkdir(exist_ok=True)
                file.write_text(text)
            found = violations(Path(folder), sorted(files))
        if found if expected is None else not any(expected in v for v in found):
            failed += 1
            print(f'self-test: {files}: wanted {expected!r}, got {found}', file=sys.stderr)
    print(f'check_text.py: {len(UNSOUND)} kinds of violation, {len(UNSOUND) - failed} found')
    return failed == 0


def main():
    if sys.argv[1:] == ['--self-test']:
        return 0 if self_test() else 1
    root = Path(__file__).resolve().parent.parent
    paths = tracked(root)
    found = violations(root, paths)
    found += [f'{page}: missing' for page in PUBLIC_PAGES if page not in paths]
    for violation in found:
        print(violation, file=sys.stderr)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
