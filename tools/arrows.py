#!/usr/bin/env python3
"""Checks what docs/architecture.md says of the rooms: arrows, purity, sizes, nothing dead.

    tools/arrows.py               check this tree; prints every violation and exits 1 when there is one
    tools/arrows.py --self-test   prove that each check can fail, on small trees made for it
    tools/arrows.py --tighten     write the sizes reached into tools/size_limits.json

The table of rooms is read from the fenced block `rooms` of docs/architecture.md, so that the document
and the check are one.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cpp_text import functions, without_comments_and_literals  # noqa: E402

FILE_LINES_MAX = 800
CODE_SUFFIXES = ('.cc', '.h')
CODE_FOLDERS = ('src', 'include', 'tests', 'bench', 'examples', 'fuzz')

# A pure room knows no thread, lock, clock, file, socket or global random source.
IMPURE_INCLUDES = re.compile(
    r'^(thread|mutex|shared_mutex|condition_variable|semaphore|latch|barrier|future|stop_token|atomic'
    r'|chrono|ctime|time\.h|fstream|iostream|filesystem|random|unistd\.h|fcntl\.h|poll\.h|signal\.h'
    r'|csignal|pthread\.h|dlfcn\.h|netdb\.h|(sys|netinet|arpa|linux)/.*|boost/asio.*|spdlog/.*'
    r'|absl/(time|synchronization|random)/.*|io/.*|rpc/.*)$')
IMPURE_NAMES = re.compile(
    r'\b(std::random_device|std::rand|std::time|srand|getenv|clock_gettime|gettimeofday'
    r'|thread_local|std::this_thread)\b|(?<![\w.:>])(rand|time|clock)\s*\(')
HASH_TABLE = re.compile(
    r'\b(?:unordered_(?:multi)?(?:map|set)|(?:flat|node)_hash_(?:map|set))\s*<[^;{}()]*>\s*&?\s*(\w+)')
TEST_HELPER = re.compile(r'^(fake|simulated|test)_|^describe\.h|_test(ing)?\b|_fixture\b')


class Room:
    def __init__(self, name, marks, arrows):
        self.name, self.arrows = name, arrows
        self.pure, self.planned = 'pure' in marks, 'planned' in marks


def read_table(text):
    """The rooms of the fenced block, lowest last: `name [pure] [planned] -> room, room`."""
    block = re.search(r'^```rooms\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
    if block is None:
        raise SystemExit('docs/architecture.md has no fenced block `rooms`')
    rooms = {}
    for line in block.group(1).splitlines():
        if not line.strip():
            continue
        left, arrow, right = line.partition('->')
        name, *marks = left.split()
        if not arrow or set(marks) - {'pure', 'planned'}:
            raise SystemExit(f'docs/architecture.md: not a row of the table of rooms: {line}')
        rooms[name] = Room(name, marks, [a.strip() for a in right.split(',')])
    names = list(rooms)
    for place, room in enumerate(rooms.values()):
        if room.arrows == ['nothing']:
            room.arrows = []
        if room.arrows == ['*']:  # everything below; nothing but the command line reaches the simulator
            room.arrows = names[place + 1:]
        for to in room.arrows:
            if to not in rooms:
                raise SystemExit(f'docs/architecture.md: {room.name} -> {to}: no such room')
    return rooms


class Tree:
    """The sources under `root` and what they include."""

    def __init__(self, root):
        self.root = root
        self.rooms = read_table((root / 'docs/architecture.md').read_text())
        self.texts = {}
        for folder in CODE_FOLDERS:
            for path in sorted((root / folder).rglob('*')):
                if path.suffix in CODE_SUFFIXES:
                    self.texts[path.relative_to(root).as_posix()] = path.read_text()
        self.includes = {p: self._includes(t) for p, t in self.texts.items()}

    @staticmethod
    def _includes(text):
        return re.findall(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', text, re.MULTILINE)

    def room_of(self, path):
        """The room that a file of src/, or an include as written, is in; None: not ours."""
        path = path.removeprefix('src/')
        if path.startswith('include/trireme/'):
            return 'include'
        if path.startswith(('trireme/', 'etcd/')):
            return 'proto' if re.search(r'\.(pb|trireme)\.h$', path) else 'include'
        folder = path.rpartition('/')[0]
        while folder:
            if folder in self.rooms:
                return folder
            folder = folder.rpartition('/')[0]
        return None

    def resolve(self, include, of):
        """The file in this tree that `include` in file `of` names, or None."""
        beside = of.rpartition('/')[0]
        for prefix in ('src/', 'include/', beside + '/', 'tests/', 'bench/'):
            if prefix + include in self.texts:
                return prefix + include
        return None

    def in_rooms(self):
        """Pairs of a file under src/ or include/ and its room."""
        for path in self.texts:
            if path.startswith(('src/', 'include/')):
                yield path, self.room_of(path)


def is_test(path):
    return path.endswith('_test.cc') or path.startswith('tests/')


def check_arrows(tree):
    for path, name in tree.in_rooms():
        if name is None:
            yield f'{path}: in no room of the table in docs/architecture.md'
            continue
        room = tree.rooms[name]
        if room.planned:
            yield f'{path}: room {name} is marked planned in docs/architecture.md, but has a file'
        for include in tree.includes[path]:
            to = tree.room_of(include)
            if to is None or to == name or to in room.arrows:
                continue
            if is_test(path) and to in ('proto', 'include'):
                continue
            yield f'{path}: includes {include}: the arrow {name} -> {to} is not in the table'


def check_cycles(tree):
    arrows = {name: room.arrows for name, room in tree.rooms.items()}
    yield from (f'docs/architecture.md: rooms in a cycle: {c}' for c in cycles(arrows))
    headers = {path: [to for i in tree.includes[path] if (to := tree.resolve(i, path))]
               for path in tree.texts}
    yield from (f'includes in a cycle: {c}' for c in cycles(headers))


def cycles(graph):
    """Each cycle once, as `a -> b -> a`."""
    state, found = {}, []

    def visit(node, path):
        state[node] = 'open'
        for to in graph.get(node, ()):
            if state.get(to) == 'open' and to != node:
                found.append(' -> '.join(path[path.index(to):] + [to]))
            elif to not in state:
                visit(to, path + [to])
        state[node] = 'done'

    for node in graph:
        if node not in state:
            visit(node, [node])
    return found


def check_dead_headers(tree):
    users = {}
    for path, text in tree.texts.items():
        generated = re.findall(r'#include \\"([^"\\]+)\\"', text)  # what a generator of code prints
        for include in tree.includes[path] + generated:
            if (to := tree.resolve(include, path)) and to.rpartition('.')[0] != path.rpartition('.')[0]:
                users.setdefault(to, []).append(path)
    for path in tree.texts:
        if not path.endswith('.h'):
            continue
        if not users.get(path):
            yield f'{path}: a header that nobody but its own .cc includes'
        elif (path.startswith('src/') and all(is_test(u) for u in users[path])
              and not TEST_HELPER.search(path.rpartition('/')[2])):
            yield f'{path}: a header that only tests include (a test helper is named fake_, simulated_ or test_)'


def check_purity(tree):
    for path, name in tree.in_rooms():
        if name is None or not tree.rooms[name].pure or is_test(path):
            continue
        for include in tree.includes[path]:
            if IMPURE_INCLUDES.match(include):
                yield f'{path}: includes {include}, but {name} is a pure room'
        for number, line in enumerate(without_comments_and_literals(tree.texts[path]).splitlines(), 1):
            if match := IMPURE_NAMES.search(line):
                yield f'{path}:{number}: uses {match.group(0)}, but {name} is a pure room'


def check_hash_order(tree):
    """Best effort: a loop over a variable that was declared as a hash table, in a pure room."""
    members = {}
    for path, name in tree.in_rooms():
        names = HASH_TABLE.findall(without_comments_and_literals(tree.texts[path]))
        members.setdefault(name, set()).update(n for n in names if n.endswith('_'))
    for path, name in tree.in_rooms():
        if name is None or not tree.rooms[name].pure or is_test(path):
            continue
        code = without_comments_and_literals(tree.texts[path])
        tables = members[name] | set(HASH_TABLE.findall(code))
        for table in sorted(tables):
            loop = rf'for\s*\([^;)]*:\s*(?:this->)?{table}\s*\)|\b{table}\.c?begin\s*\('
            for match in re.finditer(loop, code):
                line = code.count('\n', 0, match.start()) + 1
                yield f'{path}:{line}: iterates the hash table {table} in the pure room {name}'


def check_links(tree):
    """CMake links a room to exactly what its row names."""
    file = tree.root / 'src/CMakeLists.txt'
    text = re.sub(r'#.*', '', file.read_text()) if file.exists() else ''
    linked = {}
    for call in re.findall(r'trireme_room\(([^)]*)\)', text):
        words = call.split()
        linked[words[0]] = cmake_list(words, 'DEPS')
    for name, deps in linked.items():
        if name not in tree.rooms:
            yield f'src/CMakeLists.txt: room {name} is not in the table in docs/architecture.md'
            continue
        wanted = {a for a in tree.rooms[name].arrows if a in linked}
        for extra in sorted(set(deps) - wanted):
            yield f'src/CMakeLists.txt: {name} DEPS {extra}: the arrow is not in the table'
        for missing in sorted(wanted - set(deps)):
            yield f'src/CMakeLists.txt: {name} lacks DEPS {missing}, which its row in the table names'
    for name in {room for _, room in tree.in_rooms()} - set(linked) - {'include', 'proto', None}:
        yield f'src/CMakeLists.txt: no trireme_room({name} ...)'


def cmake_list(words, keyword):
    if keyword not in words:
        return []
    rest = words[words.index(keyword) + 1:]
    end = next((i for i, w in enumerate(rest) if w.isupper() and '_' not in w or w.startswith('TEST_')),
               len(rest))
    return rest[:end]


def sizes(tree):
    """The largest file and function; the median and the ninth decile of the functions' lengths."""
    lines = {p: t.count('\n') for p, t in tree.texts.items()}
    lengths = sorted((f.lines, f'{p}:{f.line}: {f.name}')
                     for p, t in tree.texts.items() for f in functions(t))
    largest = max(lines, key=lines.get, default=None)
    longest = lengths[-1] if lengths else (0, '')
    at = [n for n, _ in lengths] or [0]
    return {'file_lines': (lines.get(largest, 0), largest), 'function_lines': longest,
            'function_lines_median': (at[len(at) // 2], 'all functions'),
            'function_lines_ninth_decile': (at[len(at) * 9 // 10], 'all functions')}


def check_sizes(tree):
    for path, text in tree.texts.items():
        if text.count('\n') > FILE_LINES_MAX:
            yield f'{path}: {text.count(chr(10))} lines; split it (at most {FILE_LINES_MAX})'
    limits = tree.root / 'tools/size_limits.json'
    if not limits.exists():
        return
    reached = sizes(tree)
    for name, limit in json.loads(limits.read_text()).items():
        value, where = reached[name]
        if value > limit:
            yield f'{where}: {name} is {value}, which tools/size_limits.json holds to {limit}: it only tightens'


CHECKS = (check_arrows, check_cycles, check_dead_headers, check_purity, check_hash_order, check_links,
          check_sizes)


def violations(root):
    tree = Tree(root)
    return [v for check in CHECKS for v in check(tree)]


def tighten(root):
    file = root / 'tools/size_limits.json'
    old = json.loads(file.read_text()) if file.exists() else {}
    reached = {name: value for name, (value, _) in sizes(Tree(root)).items()}
    new = {name: min(value, old.get(name, value)) for name, value in reached.items()}
    file.write_text(json.dumps(new, indent=2) + '\n')
    print(file.read_text(), end='')


# A tree without a violation, and what to write into it for each one.
SOUND = {
    'docs/architecture.md': '```rooms\ntop -> *\nmid -> base\nlater planned -> base\nbase pure -> nothing\n```\n',
    'src/CMakeLists.txt': 'trireme_room(top DEPS mid base LIBS x::y)\ntrireme_room(mid DEPS base)\n'
                          'trireme_room(base LIBS z)\n',
    'src/base/a.h': '#pragma once\nint A();\n',
    'src/base/a.cc': '#include "base/a.h"\nint A() {\n  // rand() and time() in a comment are fine\n'
                     '  return 1;\n}\n',
    'src/mid/m.h': '#pragma once\n#include "base/a.h"\n',
    'src/mid/m_test.cc': '#include "mid/m.h"\n#include "mid/fake_m.h"\n#include <thread>\n',
    'src/mid/fake_m.h': '#pragma once\n',
    'src/mid/printed.h': '#pragma once\n',
    'src/top/t.cc': '#include <thread>\n#include "mid/m.h"\nauto s = "#include \\"mid/printed.h\\"\\n";\n',
    'tools/size_limits.json': '{"function_lines": 20, "file_lines": 700}\n',
}
UNSOUND = (
    ('an arrow upwards', {'src/base/a.cc': '#include "base/a.h"\n#include "mid/m.h"\n'},
     'the arrow base -> mid is not in the table'),
    ('a file in no room', {'src/other/o.cc': '\n'}, 'in no room'),
    ('a planned room with a file', {'src/later/l.cc': '\n'}, 'marked planned'),
    ('a cycle of headers', {'src/base/a.h': '#include "base/b.h"\n', 'src/base/b.h': '#include "base/a.h"\n'},
     'includes in a cycle'),
    ('a cycle of rooms', {'docs/architecture.md': '```rooms\ntop -> mid, base\nmid -> base, top\n'
                                                  'base pure -> nothing\n```\n'}, 'rooms in a cycle'),
    ('a header nobody includes', {'src/mid/dead.h': '#pragma once\n'}, 'dead.h: a header that nobody'),
    ('a header only its .cc includes', {'src/mid/own.h': '\n', 'src/mid/own.cc': '#include "mid/own.h"\n'},
     'own.h: a header that nobody'),
    ('a header only tests include', {'src/mid/h.h': '\n', 'src/mid/h2_test.cc': '#include "mid/h.h"\n'},
     'h.h: a header that only tests'),
    *((f'<{header}> in a pure room', {'src/base/a.cc': f'#include "base/a.h"\n#include <{header}>\n'},
       f'includes {header}, but base is a pure room')
      for header in ('thread', 'mutex', 'chrono', 'condition_variable', 'atomic', 'fstream', 'random',
                     'unistd.h', 'sys/socket.h', 'netinet/in.h', 'spdlog/spdlog.h', 'ctime')),
    *((f'{code} in a pure room', {'src/base/a.cc': f'#include "base/a.h"\nint A() {{ return {code}; }}\n'},
       'but base is a pure room')
      for code in ('rand()', 'time(nullptr)', 'std::random_device()()', 'clock()')),
    ('a loop over a hash table', {'src/base/a.h': '#pragma once\nstd::unordered_map<int, int> m_;\n',
                                  'src/base/a.cc': '#include "base/a.h"\nvoid A() {\n  for (auto& x : m_) {}\n}\n'},
     'a.cc:3: iterates the hash table m_'),
    ('begin() of a hash table', {'src/base/a.cc': '#include "base/a.h"\nabsl::flat_hash_set<int> s;\n'
                                                  'int A() { return *s.begin(); }\n'}, 'iterates the hash table s'),
    ('a link that is not in the table', {'src/CMakeLists.txt':
                                         SOUND['src/CMakeLists.txt'].replace('(base', '(base DEPS mid')},
     'base DEPS mid: the arrow is not in the table'),
    ('a link that is missing', {'src/CMakeLists.txt': SOUND['src/CMakeLists.txt'].replace('mid DEPS base', 'mid')},
     'mid lacks DEPS base'),
    ('a room that is not built', {'src/CMakeLists.txt': 'trireme_room(top)\ntrireme_room(base)\n'},
     'no trireme_room(mid'),
    ('a file too long', {'src/top/t.cc': '#include "mid/m.h"\n' + '\n' * FILE_LINES_MAX}, 'split it'),
    ('a file longer than recorded', {'src/top/t.cc': '#include "mid/m.h"\n' + '\n' * 750},
     'file_lines is 751'),
    ('a function longer than recorded', {'src/top/t.cc': '#include "mid/m.h"\nvoid Long(int x) {\n'
                                         + '  f([] { return "}"; });\n' * 19 + '}\n'},
     't.cc:2: Long: function_lines is 21'),
)


def self_test():
    failures = []
    for name, changes, expected in (('a sound tree', {}, None),) + UNSOUND:
        with tempfile.TemporaryDirectory() as folder:
            for path, text in {**SOUND, **changes}.items():
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            found = violations(Path(folder))
        if expected is None and found or expected and not any(expected in v for v in found):
            failures.append(f'self-test: {name}: wanted {expected!r}, got {found}')
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f'arrows.py: {len(UNSOUND)} kinds of violation, {len(UNSOUND) - len(failures)} found')
    return not failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--self-test', action='store_true')
    parser.add_argument('--tighten', action='store_true')
    options = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    if options.self_test:
        return 0 if self_test() else 1
    if options.tighten:
        tighten(root)
        return 0
    found = violations(root)
    for violation in found:
        print(violation, file=sys.stderr)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
