#!/usr/bin/env python3
"""Does ahead, for many models at a time, what run.py would do one by one: prepare.py FOLDER NAME:BATCH...

Exports each model to FOLDER and lets torch.compile fill its cache (TORCHINDUCTOR_CACHE_DIR). `run.py --prepared FOLDER` takes the files from there.
"""
import pathlib
import subprocess
import sys

import torch

import networks


def prepare(folder, entry):
    name, batch = entry.split(":")
    model, x = networks.make(name, int(batch))
    networks.export(model, x, folder / f"{name}_{batch}.onnx")
    half, xh = model.cuda().half(), x.cuda().half()
    if xh.dim() == 4:
        half, xh = half.to(memory_format=torch.channels_last), xh.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.compile(half, mode="reduce-overhead")(xh)
    torch.cuda.synchronize()


def main():
    folder, *entries = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if len(entries) == 1:
        return prepare(folder, entries[0])
    running = {entry: subprocess.Popen([sys.executable, __file__, str(folder), entry], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for entry in entries}
    for entry, process in running.items():
        _, said = process.communicate()
        print(f"{entry}: {'prepared' if process.returncode == 0 else said[-300:]}")


if __name__ == "__main__":
    main()
