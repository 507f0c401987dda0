#!/usr/bin/env python3
"""libtrireme_raft.so needs nothing but the C++ runtime, and shows exactly what its header declares.

    c_library_test.py LIBRARY HEADER
"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

RUNTIME = re.compile(r'^(libstdc\+\+|libgcc_s|libm|libc|ld-linux-[\w-]+)\.so\.\d+$')


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class CLibraryTest(unittest.TestCase):
    def test_needs_only_the_runtime(self):
        needed = re.findall(r'\(NEEDED\).*\[(.+)\]', run('readelf', '-d', LIBRARY))
        self.assertTrue(needed)
        self.assertEqual([n for n in needed if not RUNTIME.match(n)], [])

    def test_shows_what_the_header_declares(self):
        shown = set(re.findall(r' [TWVBDRu] (\S+)$', run('nm', '-D', '--defined-only', LIBRARY),
                               re.MULTILINE))
        text = re.sub(r'/\*.*?\*/', '', Path(HEADER).read_text(), flags=re.DOTALL)
        declared = set(re.findall(r'\b(tr_raft_\w+)\s*\(', text))
        self.assertGreater(len(declared), 20)
        self.assertEqual(shown, declared)


if __name__ == '__main__':
    HEADER, LIBRARY = sys.argv.pop(), sys.argv.pop()
    unittest.main()
