#!/usr/bin/env python3
"""Compares the vtable layouts of the public classes with vtables.golden.

A class that users' code was compiled against must keep its slots: leaf classes that the library implements may grow at
the end, base classes use up their reserved slots, and classes that users derive from never change. clang prints the
layouts; without it the test skips. `--update` writes the golden after such a change.
"""
import argparse
import difflib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
NAMESPACES = {"nvinfer1", "nvonnxparser", "tenon", "v_2_0"}


def classes_of(text):
    """Qualified names of the classes that a header defines and that have virtual functions somewhere."""
    names = []
    scopes = []  # (name, depth at which it was opened)
    depth = 0
    for line in text.splitlines():
        code = line.split("//")[0]
        opened = re.match(r"\s*(?:inline )?namespace (\w+) {", code)
        if opened and opened.group(1) in NAMESPACES:
            scopes.append((opened.group(1), depth))
        defined = re.match(r"\s*class (\w+)[^;]*{", code)
        if defined and (defined.group(1).startswith("I")):
            names.append("::".join([name for name, _ in scopes] + [defined.group(1)]))
        depth += code.count("{") - code.count("}")
        while scopes and depth <= scopes[-1][1]:
            scopes.pop()
    return names


def layouts(clang, include, names):
    """The text of each class's vtable, by class."""
    source = ['#include "tenon/tenon.h"']
    for i, name in enumerate(names):
        # A constructor in a class that derives from it makes clang lay the vtable out, abstract or not.
        source.append(f"struct Probe{i} : {name} {{ Probe{i}(); }};\nProbe{i}::Probe{i}() {{}}")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "probes.cpp"
        file.write_text("\n".join(source) + "\n")
        command = [clang, "-std=c++17", f"-I{include}", "-w", "-Xclang", "-fdump-vtable-layouts", "-S", "-o",
                   "/dev/null", str(file)]
        run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"clang failed:\n{run.stderr}")
    found = {}
    current = None
    for line in run.stdout.splitlines():
        begin = re.match(r"Vtable for 'Probe(\d+)'", line)
        if begin:
            current = found.setdefault(names[int(begin.group(1))], [])
            continue
        if re.match(r"(Vtable|VTable|Original|Thunks)", line) or not line.strip():
            current = None
            continue
        entry = re.match(r"\s*\d+ \| (.*)", line)
        if current is not None and entry:
            current.append(re.sub(r"Probe\d+", "Derived", entry.group(1)))
    return found


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, default=here.parent.parent / "include")
    parser.add_argument("--golden", type=pathlib.Path, default=here / "vtables.golden")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    clang = shutil.which("clang++") or shutil.which("clang++-14")
    if clang is None:
        print("SKIPPED: clang++ is not installed; only it prints vtable layouts")
        return SKIP
    names = []
    for header in sorted((options.include / "tenon").glob("*.h")):
        names += classes_of(header.read_text())
    found = layouts(clang, options.include, names)
    text = "# Vtable slots of the public classes, as clang lays them out. Written by vtables.py --update.\n"
    for name in sorted(found):
        text += f"\n{name}\n" + "".join(f"  {slot:3} {entry}\n" for slot, entry in enumerate(found[name]))
    if options.update:
        options.golden.write_text(text)
        print(f"{len(found)} classes written to {options.golden}")
        return 0
    golden = options.golden.read_text()
    if golden == text:
        print(f"{len(found)} classes keep their slots")
        return 0
    sys.stdout.writelines(difflib.unified_diff(golden.splitlines(True), text.splitlines(True), "vtables.golden", "now"))
    print("FAILED: slots changed. Existing ones must keep their place; if that holds, run tests/compat/vtables.py --update")
    return 1


if __name__ == "__main__":
    sys.exit(main())
