#!/usr/bin/env python3
"""Counts the regions that the fusion patterns find in whole models, as a guard against patterns that stop matching.

    regions.py --tenon BIN --expect FILE [--shared FOLDER] [--update]

Models: those of benchmarks/models.py that are floats, those inside the wheels `magika`, `rapidocr` and `silero-vad`, and the shared ones beside the
checkout. A line of the expectation file is a model, a pattern, the label of a region and how many there are; pointwise clusters and epilogues are
left out, since their numbers say little. Fewer than expected is an error. A model that is not here is passed over with its name. Exit code 77 with "SKIPPED: reason" where none is.
"""
import argparse
import concurrent.futures
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import models as benchmarks
    import onnx
except ImportError as missing:
    print(f"SKIPPED: the Python package {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)

LEFT_OUT = ("pattern_pointwise", "pattern_epilogue")


def found_models(work, shared):
    """Names with the files; a name comes once."""
    for name in benchmarks.MODELS:
        path = work / f"{name}.onnx"
        onnx.save(benchmarks.make(name), path)
        yield f"benchmark/{name}", path
    for package in ("magika", "rapidocr", "silero_vad"):
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations if spec else []:
            for path in sorted(pathlib.Path(folder).glob("**/*.onnx")):
                yield f"{package}/{path.relative_to(folder)}", path
    if shared.is_dir():
        for path in sorted(shared.glob("*/model.onnx")):
            yield f"shared/{path.parent.name}", path


def regions_of(tenon, path):
    """{(pattern, label): count}, or the reason why there are none."""
    done = subprocess.run([tenon, "opt", str(path), "--regions", "--json", "-q"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    counts = json.loads(done.stdout)["regions"]
    return {(pattern, label): count for pattern, labels in counts.items() if pattern not in LEFT_OUT for label, count in labels.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True)
    parser.add_argument("--expect", required=True, type=pathlib.Path)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared" / "models")
    parser.add_argument("--update", action="store_true", help="write what is found for the models that are here")
    options = parser.parse_args()
    expected = {}
    for line in options.expect.read_text().splitlines() if options.expect.exists() else []:
        if line and not line.startswith("#"):
            model, pattern, label, count = line.rsplit("\t", 3)
            expected.setdefault(model, {})[(pattern, label)] = int(count)
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        here = dict(found_models(pathlib.Path(work), options.shared))
        results = dict(zip(here, pool.map(lambda path: regions_of(options.tenon, path), here.values())))
    if not here:
        print("SKIPPED: no model is here")
        return 77
    wrong = 0
    for model, found in results.items():
        if isinstance(found, str):
            print(f"{model}: not read: {found}")
            found = {}
        for key in sorted(set(found) | set(expected.get(model, {}))):
            before, now = expected.get(model, {}).get(key, 0), found.get(key, 0)
            if before != now and not options.update:
                print(f"{model}: {key[0]} finds {now} regions '{key[1]}', expected {before}{'' if now < before else '; --update writes it down'}")
                wrong += now < before
        expected[model] = found if options.update else expected.get(model, {})
    for model in sorted(set(expected) - set(results)):
        print(f"{model}: not here")
    if options.update:
        lines = [f"{model}\t{pattern}\t{label}\t{count}" for model in sorted(expected) for (pattern, label), count in sorted(expected[model].items())]
        options.expect.write_text("# What regions.py finds, separated by tabs: model, pattern, region, how many. Written by regions.py --update.\n" + "\n".join(lines) + "\n")
    print(f"{len(results)} models, {wrong} regions missed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
