#!/usr/bin/env python3
"""Does ahead, for many models at a time, what run.py would do one by one: prepare.py FOLDER [--build TENON:NAME:BATCH]... NAME:BATCH...

Exports each model to FOLDER and lets torch.compile fill its cache (TORCHINDUCTOR_CACHE_DIR). Those after --build are built as well by the tool
TENON, which leaves a timing cache and how long it took. `run.py --prepared FOLDER` takes the files from there.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

import torch

import networks


def build(tenon, onnx_file):
    begin = time.monotonic()
    subprocess.run([tenon, "build", str(onnx_file), "-o", str(onnx_file.with_suffix(".plan")), "--fp16", "--timing-cache", str(onnx_file.with_suffix(".times"))],
                   check=True, stdout=subprocess.DEVNULL)
    onnx_file.with_suffix(".seconds").write_text(f"{time.monotonic() - begin:.1f}\n")


def prepare(folder, entry, tenon):
    name, batch = entry.split(":")
    model, x = networks.make(name, int(batch))
    onnx_file = folder / f"{name}_{batch}.onnx"
    networks.export(model, x, onnx_file)
    if tenon:
        build(tenon, onnx_file)
    half, xh = model.cuda().half(), x.cuda().half()
    if xh.dim() == 4:
        half, xh = half.to(memory_format=torch.channels_last), xh.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.compile(half, mode="reduce-overhead")(xh)
    torch.cuda.synchronize()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("entries", nargs="+", metavar="NAME:BATCH")
    parser.add_argument("--build", action="append", default=[], metavar="TENON:NAME:BATCH")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TENON_CUBIN_CACHE", str(arguments.folder / "cubin"))  # as run.py, whose builds find what these compile
    builds = {entry: tenon for tenon, _, entry in (each.partition(":") for each in arguments.build)}
    if len(arguments.entries) == 1:
        return prepare(arguments.folder, arguments.entries[0], builds.get(arguments.entries[0]))
    running = {}
    for entry in arguments.entries:
        extra = ["--build", f"{builds[entry]}:{entry}"] if entry in builds else []
        running[entry] = subprocess.Popen([sys.executable, __file__, str(arguments.folder), *extra, entry], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for entry, process in running.items():
        _, said = process.communicate()
        print(f"{entry}: {'prepared' if process.returncode == 0 else said[-300:]}")


if __name__ == "__main__":
    main()
