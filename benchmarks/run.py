#!/usr/bin/env python3
"""Side by side with peers, in one run: Tenon, ONNX Runtime and OpenVINO on this machine's CPU.

Each model is built, its outputs are compared with ONNX Runtime's first, then all engines take turns, round after round, so that what else the
machine does falls on all. Reported per engine: median, lowest and highest of the rounds' medians, in milliseconds; the 99th percentile; the time
from a plan (or model file) to the first answer and the memory of a process that does only that. For ResNet-50 the bare oneDNN primitives
(benchmarks/onednn) take part as well.

    ./dev bench [--models NAME,...] [--rounds N] [--seconds S] [--threads N] [--output FILE.json]
    ./dev bench --kernels [--threads N] [--output FILE.md]

Names: those of benchmarks/models.py, made here with random weights (NAME_int8: quantized; NAME_bf16: the float model, which Tenon and OpenVINO may
compute in bfloat16 where the processor has it), `float`, `int8` or `bf16` for all of a kind, or paths of ONNX models with one float or integer input x
of fixed shape. What is computed in bfloat16 is compared with ONNX Runtime's f32: largest error over the largest output, and cosine. --output writes FILE.md and FILE.svg beside the JSON.

--kernels times single kernels instead (benchmarks/kernels/kernels.cases), ours and those of oneDNN, each in its best layout, beside the machine's limits.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import kernel_table
import models
import peers
import report

ROOT = pathlib.Path(__file__).resolve().parent.parent
BF16 = {f"{name}_bf16": name for name in models.MODELS if name != "mlp"}  # its products are too small to gain
SETS = {"float": list(models.MODELS), "int8": list(models.QUANTIZED), "bf16": list(BF16)}
# Relative error of the whole output. Integers: roundings that fall the other way in one layer are amplified by the next ones. bfloat16: eight bits of
# which each layer loses some.
TOLERANCE = {"float": 1e-4, "int8": 0.1, "bf16": 0.1}


def kind_of(name):
    return "int8" if name in models.QUANTIZED else "bf16" if name in BF16 else "float"


def median_of(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def model_file(name, work):
    if name in models.MODELS or name in models.QUANTIZED or name in BF16:
        path = work / f"{name}.onnx"
        onnx.save(models.make(BF16.get(name, name)), str(path))
        return path
    path = pathlib.Path(name)
    if not path.exists():
        sys.exit(f"'{name}' is neither a file nor one of {', '.join([*models.MODELS, *models.QUANTIZED, *BF16, *SETS])}")
    return path


def engines_of(path, x, bf16, build_dir, work, arguments):
    made = onnx.load(str(path), load_external_data=False)
    ours = peers.Tenon(str(build_dir / "bin" / "tenon"), path, made.graph.output[0].name, work, arguments.threads, arguments.level, bf16)
    engines = [ours]
    for name in arguments.peers:
        engines.append(peers.PEERS[name](path, x, arguments.threads, bf16))
    primitives = build_dir / "benchmarks" / "onednn_resnet50"
    if path.stem == "resnet50" and primitives.exists():
        engines.append(peers.Primitives(str(primitives), arguments.threads))
    return engines


def accuracy(actual, expected):
    a, b = actual.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    return {"largest": float(np.abs(a - b).max() / np.abs(b).max()), "cosine": float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))}


def compare(name, build_dir, work, arguments):
    path = model_file(name, work)
    x = models.random_input(onnx.load(str(path), load_external_data=False))
    kind = kind_of(name)
    engines = engines_of(path, x, kind == "bf16", build_dir, work, arguments)
    ours = engines[0]
    expected, actual = np.array(engines[1].run()) if len(engines) > 1 else None, ours.answer(x)
    error = float(np.linalg.norm(actual - expected) / np.linalg.norm(expected)) if expected is not None else 0.0
    limit = TOLERANCE[kind]
    if not error < limit:
        sys.exit(f"{path.name}: the outputs differ, relative error {error:.2e}, allowed {limit}: nothing was measured")
    accuracies = {}
    if kind == "bf16" and expected is not None:
        answers = {"tenon": actual, **{engine.name: engine.run() for engine in engines[2:] if engine.name in peers.PEERS}}
        accuracies = {engine: accuracy(answer, expected) for engine, answer in answers.items()}
    rounds = {engine.name: [] for engine in engines}
    for _ in range(arguments.rounds):
        for engine in engines:
            rounds[engine.name].append(engine.round(arguments.seconds))
    latency = {name: {key: median_of([each[key] for each in measured]) for key in ("p50", "p99")} for name, measured in rounds.items()}
    cold = {"tenon": ours.cold(), **{peer: peers.cold(peer, path, x, arguments.threads, kind == "bf16", work) for peer in arguments.peers}}
    print(f"{path.stem}: outputs agree, relative error {error:.1e}; built in {ours.build_s['cold']:.1f} s, {ours.build_s['warm']:.1f} s with a timing cache")
    for engine, found in accuracies.items():
        print(f"  {engine:18s} largest error {found['largest']:.1e} of the largest output, cosine {found['cosine']:.6f}")
    mine = latency["tenon"]["p50"]["median"]
    for engine, times in latency.items():
        p50 = times["p50"]
        extra = f"   first answer {cold[engine]['first_answer_ms']:6.0f} ms, {cold[engine]['peak_rss_mib']:5.0f} MiB" if engine in cold else ""
        print(f"  {engine:18s} {p50['median']:9.3f} ms   [{p50['min']:.3f}, {p50['max']:.3f}]   p99 {times['p99']['median']:9.3f}   {p50['median'] / mine:5.2f}x ours{extra}", flush=True)
    return {"model": path.stem, "relative_error": error, "build_s": ours.build_s, "latency_ms": latency, "cold": cold, **({"accuracy": accuracies} if accuracies else {})}


def versions(names):
    return {name: __import__(name).__version__ for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", default="build/release", type=pathlib.Path)
    parser.add_argument("--models", default="float,int8")
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="onnxruntime, openvino; the first is what outputs are compared with")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--level", type=int, default=3, choices=(0, 3, 5))
    parser.add_argument("--output", type=pathlib.Path, help="results as JSON; Markdown and SVG beside it")
    parser.add_argument("--kernels", action="store_true", help="single kernels beside the machine's limits")
    arguments = parser.parse_args()
    if arguments.kernels:
        text = kernel_table.markdown(*kernel_table.measure((ROOT / arguments.build_dir).resolve(), arguments.threads, 50))
        print(text, end="")
        if arguments.output:
            arguments.output.write_text(text)
        return 0
    arguments.peers = [name for name in arguments.peers.split(",") if name]
    if unknown := [name for name in arguments.peers if name not in peers.PEERS]:
        parser.error(f"there is no peer {unknown[0]}; there are {', '.join(peers.PEERS)}")
    names = [name for word in arguments.models.split(",") for name in SETS.get(word, [word])]
    results = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            results.append(compare(name, (ROOT / arguments.build_dir).resolve(), pathlib.Path(folder), arguments))
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    document = {"machine": processor, "command": " ".join(["./dev bench", *sys.argv[1:]]), "commit": commit, "versions": versions(arguments.peers),
                "threads": arguments.threads, "peers": arguments.peers, "results": results}
    print("\n" + report.markdown(document), end="")
    if arguments.output:
        arguments.output.write_text(json.dumps(document, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(report.markdown(document))
        arguments.output.with_suffix(".svg").write_text(report.picture(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
