#!/usr/bin/env python3
"""Word count's reducer and combiner: lines come sorted by key."""
import itertools
import sys

pairs = (line.rstrip(b"\n").split(b"\t", 1) for line in sys.stdin.buffer)
for word, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
    count = sum(int(value) for _, value in group)
    sys.stdout.buffer.write(word + b"\t%d\n" % count)
