#!/usr/bin/env python3
"""The demo: from a real ONNX model to an answer, checked against ONNX Runtime.

Takes the file-type model of PyPI's `magika` wheel, builds a plan for this machine with `tenon build`, asks it what some files of this
repository are, and compares every output with ONNX Runtime. Run by `./dev demo` with the project's own Python.
"""
import argparse
import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = ["core/schedule/selector.cpp", "README.md", "CMakePresets.json", "tools/demo.py", "dev", "CMakeLists.txt", "core/plan/plan.fbs"]
RTOL, ATOL = 1e-3, 1e-5


def model_folder() -> pathlib.Path:
    spec = importlib.util.find_spec("magika")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the package magika is missing from the project's environment; ./dev demo installs it")
    return pathlib.Path(spec.submodule_search_locations[0]) / "models" / "standard_v3_3"


def features(path: pathlib.Path, config: dict) -> np.ndarray:
    """Bytes from both ends of a file, white space stripped, padded to the model's 2048 inputs."""
    content = path.read_bytes()
    block, pad = config["block_size"], config["padding_token"]
    begin = content[:block]
    end = content[-block:]
    begin = (begin.strip() if len(content) <= block else begin.lstrip())[: config["beg_size"]]
    end = (end.strip() if len(content) <= block else end.rstrip())[-config["end_size"]:]
    tokens = list(begin) + [pad] * (config["beg_size"] - len(begin))
    tokens += [pad] * (config["end_size"] - len(end)) + list(end)
    return np.array([tokens], dtype=np.int32)


def run(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", default="build/release")
    arguments = parser.parse_args()
    tenon = str((ROOT / arguments.build_dir / "bin" / "tenon").resolve())
    work = (ROOT / arguments.build_dir / "demo").resolve()
    work.mkdir(parents=True, exist_ok=True)

    folder = model_folder()
    config = json.loads((folder / "config.min.json").read_text())
    model = str(folder / "model.onnx")
    plan = str(work / "magika.plan")
    print(f"model  {model}")
    print(run(tenon, "build", model, "-o", plan, "--shapes", "bytes=1..1..8x2048", "--timing-cache", str(work / "timing.cache")), end="")

    reference = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    passed, compared = True, 0
    print(f"\n{'file':32} {'answer':12} {'sure':>6}   largest difference to ONNX Runtime")
    for name in FILES:
        path = ROOT / name
        if not path.exists():
            continue
        tokens = features(path, config)
        np.save(work / "bytes.npy", tokens)
        report = json.loads(run(tenon, "run", plan, "--input", f"bytes={work / 'bytes.npy'}", "--output-dir", str(work), "--json"))
        mine = np.load(report["outputs"][0]["file"])
        theirs = reference.run(None, {"bytes": tokens})[0]
        close = mine.shape == theirs.shape and np.allclose(mine, theirs, rtol=RTOL, atol=ATOL)
        passed, compared = passed and close, compared + 1
        best = int(np.argmax(mine[0]))
        print(f"{name:32} {config['target_labels_space'][best]:12} {mine[0][best]:6.1%}   {np.abs(mine - theirs).max():.1e}{'' if close else '  WRONG'}")

    print("\nWhat was chosen:")
    inspected = run(tenon, "inspect", plan).splitlines()
    for line in inspected[1:]:
        print(line)
    print(f"\nplan   {plan}")
    print(f"more   {arguments.build_dir}/bin/tenon explain {plan} NODE   (every tactic considered, and why it lost)")
    if not passed or compared == 0:
        print("FAILED: an output differs from ONNX Runtime's" if compared else "FAILED: nothing was compared")
        return 1
    print(f"PASSED ({compared} files, rtol {RTOL}, atol {ATOL})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
