#!/usr/bin/env python3
"""Word count's mapper:

trireme mr run --mapper 'python3 mapper.py' --combiner 'python3 reducer.py' \
    --reducer 'python3 reducer.py' --input DIR --output counts
"""
import sys

for line in sys.stdin.buffer:
    for word in line.split():
        sys.stdout.buffer.write(word + b"\t1\n")
