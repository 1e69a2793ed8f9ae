#!/usr/bin/env python3
"""Side by side with peers, in one run: latency of Tenon and of ONNX Runtime on this machine's CPU.

Each model is built, its outputs are compared with ONNX Runtime's first, then both take turns, round after round, so that what else the
machine does falls on both. Reported per engine: median, lowest and highest of the rounds' medians, in milliseconds. For ResNet-50 the bare
oneDNN primitives (benchmarks/onednn) take part as well.

    ./dev bench [--models NAME,...] [--rounds N] [--seconds S] [--threads N] [--output FILE.json]

Names: those of benchmarks/models.py, made here with random weights, or paths of ONNX models with one float or integer input of fixed shape.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

import models

ROOT = pathlib.Path(__file__).resolve().parent.parent


def median_of(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": len(values)}


class Tenon:
    name = "tenon"

    def __init__(self, binary, model, work, threads, level):
        self.binary, self.threads, self.plan = binary, threads, work / f"{model.stem}.plan"
        self.output = onnx.load(str(model), load_external_data=False).graph.output[0].name
        cache = work / f"{model.stem}.timing"
        cache.unlink(missing_ok=True)
        command = [binary, "build", str(model), "-o", str(self.plan), "--timing-cache", str(cache), "--threads", str(threads), "--level", str(level)]
        self.build_s = {}
        for kind in ("cold", "warm"):
            begin = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            self.build_s[kind] = time.monotonic() - begin

    def run(self, x, work):
        np.save(work / "x.npy", x)
        subprocess.run([self.binary, "run", str(self.plan), "--input", f"x={work / 'x.npy'}", "--output-dir", str(work)], check=True, stdout=subprocess.DEVNULL)
        return np.load(work / f"{self.output}.npy")

    def round(self, seconds):
        text = subprocess.run([self.binary, "bench", str(self.plan), "--duration", str(seconds), "--iterations", "10", "--warm-up", "100", "--threads", str(self.threads), "--json"],
                              check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(text)["latency_ms"]["p50"]


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, model, x, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Its threads must not spin while the others are measured.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session, self.x = onnxruntime.InferenceSession(str(model), options), x

    def run(self):
        return self.session.run(None, {"x": self.x})[0]

    def round(self, seconds):
        for _ in range(2):
            self.run()
        times, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 10:
            begin = time.perf_counter()
            self.run()
            times.append((time.perf_counter() - begin) * 1e3)
        return statistics.median(times)


class Primitives:
    name = "onednn_primitives"

    def __init__(self, binary, threads):
        self.binary, self.threads = binary, threads

    def round(self, seconds):
        text = subprocess.run([self.binary, str(seconds)], check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": str(self.threads)}).stdout
        return statistics.median(float(line) for line in text.split())


def model_file(name, work):
    if name in models.MODELS:
        path = work / f"{name}.onnx"
        onnx.save(models.MODELS[name](), str(path))
        return path
    path = pathlib.Path(name)
    if not path.exists():
        sys.exit(f"'{name}' is neither a file nor one of {', '.join(models.MODELS)}")
    return path


def input_of(path):
    value = onnx.load(str(path), load_external_data=False).graph.input[0]
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    random = np.random.default_rng(0)
    return random.integers(0, 1000, shape).astype(dtype) if np.issubdtype(dtype, np.integer) else random.standard_normal(shape).astype(dtype)


def compare(name, build_dir, work, arguments):
    path = model_file(name, work)
    x = input_of(path)
    ours, peer = Tenon(str(build_dir / "bin" / "tenon"), path, work, arguments.threads, arguments.level), OnnxRuntime(path, x, arguments.threads)
    expected, actual = peer.run(), ours.run(x, work)
    error = float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))
    if not error < 1e-4:
        sys.exit(f"{path.name}: the outputs differ, relative error {error:.2e}: nothing was measured")
    engines = [ours, peer]
    primitives = build_dir / "benchmarks" / "onednn_resnet50"
    if name == "resnet50" and primitives.exists():
        engines.append(Primitives(str(primitives), arguments.threads))
    rounds = {engine.name: [] for engine in engines}
    for _ in range(arguments.rounds):
        for engine in engines:
            rounds[engine.name].append(engine.round(arguments.seconds))
    result = {"model": path.stem, "relative_error": error, "build_s": ours.build_s, "latency_ms": {k: median_of(v) for k, v in rounds.items()}}
    print(f"{path.stem}: outputs agree, relative error {error:.1e}; built in {ours.build_s['cold']:.1f} s, {ours.build_s['warm']:.1f} s with a timing cache")
    mine = result["latency_ms"]["tenon"]["median"]
    for engine, times in result["latency_ms"].items():
        print(f"  {engine:18s} {times['median']:9.3f} ms   [{times['min']:.3f}, {times['max']:.3f}]   {times['median'] / mine:5.2f}x ours")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", default="build/release", type=pathlib.Path)
    parser.add_argument("--models", default=",".join(models.MODELS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--level", type=int, default=3, choices=(0, 3, 5))
    parser.add_argument("--output", type=pathlib.Path, help="results as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [compare(name, (ROOT / arguments.build_dir).resolve(), pathlib.Path(folder), arguments) for name in arguments.models.split(",")]
    if arguments.output:
        processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "unknown")
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
        document = {"machine": processor, "command": " ".join(["./dev bench", *sys.argv[1:]]), "commit": commit, "onnxruntime": onnxruntime.__version__,
                    "threads": arguments.threads, "results": results}
        arguments.output.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
