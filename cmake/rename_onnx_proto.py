#!/usr/bin/env python3
"""Writes a copy of onnx-ml.proto whose package is `tenon_onnx`, for the lite runtime. Called by the build."""
import pathlib
import re
import sys


def main() -> int:
    source, target = (pathlib.Path(argument) for argument in sys.argv[1:3])
    text = source.read_text(encoding="utf-8")
    text, renamed = re.subn(r"^package\s+onnx\s*;", "package tenon_onnx;", text, flags=re.MULTILINE)
    if renamed != 1:
        print(f"{source}: expected one line `package onnx;`, found {renamed}", file=sys.stderr)
        return 1
    if not re.search(r"^option\s+optimize_for\s*=\s*LITE_RUNTIME\s*;", text, flags=re.MULTILINE):
        text += "\noption optimize_for = LITE_RUNTIME;\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
