#!/usr/bin/env python3
"""check_manifest.py FILE "key = value"... : the manifest has all of these lines."""
import pathlib
import sys

text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
lines = {line.rstrip() for line in text.splitlines()}
missing = [line for line in sys.argv[2:] if line.rstrip() not in lines]
if missing:
    print(f"{sys.argv[1]} lacks {missing}:\n{text}")
sys.exit(1 if missing else 0)
