#!/usr/bin/env python3
"""Side by side with peers, in one run: Tenon, ONNX Runtime and OpenVINO on this machine's CPU.

Each model is built, its outputs are compared with ONNX Runtime's first, then all engines take turns, round after round, so that what else the
machine does falls on all. Reported per engine: median, lowest and highest of the rounds' medians, in milliseconds; its ratio, the median of the rounds' own; the
99th percentile; the time from a plan (or model file) to the first answer and the memory of a process that does only that. For ResNet-50 the bare oneDNN primitives
(benchmarks/onednn) take part as well. Then the runs a second of each when N may be under way at once (--streams; left out, as many as threads, which they
share): contexts of one plan, threads that share a session of ONNX Runtime, OpenVINO's throughput mode. Of a peer whose single run takes under 0.1 ms that is
left out: these are called from Python, and N calls would wait for the interpreter.

    ./dev bench [--models NAME,...] [--rounds N] [--seconds S] [--threads N] [--streams N] [--output FILE.json]
    ./dev bench --kernels [--threads N] [--output FILE.md]

Names: those of benchmarks/models.py, made here with random weights (NAME_int8: quantized; NAME_bf16: the float model, which Tenon and OpenVINO may
compute in bfloat16 where the processor has it), `float`, `int8` or `bf16` for all of a kind; paths of ONNX models with one float or integer input of
fixed shape; paths of folders with model.onnx and test_data_set_<k> as the ONNX backend tests have them, which are run on the inputs of the first set and built
for the extents of all; and paths of folders full of those. A model that Tenon refuses is listed with the reason, and so is a peer that refuses one or whose
outputs differ from those of the first.
What is computed in bfloat16 is compared with ONNX Runtime's f32: largest error over the largest output, and cosine. --output writes FILE.md and FILE.svg
beside the JSON. Ctrl-C ends it with the table of what is measured so far.

--kernels times single kernels instead (benchmarks/kernels/kernels.cases), ours and those of oneDNN, each in its best layout, beside the machine's limits.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import data_sets
import kernel_table
import models
import peers
import report

ROOT = pathlib.Path(__file__).resolve().parent.parent
BF16 = {f"{name}_bf16": name for name in models.MODELS if name != "mlp"}  # its products are too small to gain
SETS = {"float": list(models.MODELS), "int8": list(models.QUANTIZED), "bf16": list(BF16)}
# Whether the processor has an instruction that adds four products of bytes. ONNX Runtime lets two overflow where it has not: MobileNetV2 in 8 bits is 0.115
# from its own answer without optimisations there.
HAS_VNNI = any(flag in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8") for flag in ("avx512_vnni", "avx_vnni"))
# Relative error of a whole output. Integers: roundings that fall the other way in one layer are amplified by the next ones. Sixteen bits: each layer loses
# some.
TOLERANCE = {"float": 1e-4, "int8": 0.1 if HAS_VNNI else 0.15, "bf16": 0.1, "f16": 2e-2}
# A run of a Python package that is shorter cannot be called by several threads at once: most of the time goes to the interpreter, which is one's at a time.
LEAST_MS_OF_SEVERAL = 0.1


@dataclasses.dataclass
class Subject:
    """A model to measure: its file, one set of inputs, and where that is from a folder of data sets, the folder."""

    name: str
    path: pathlib.Path
    feed: dict
    data: pathlib.Path | None
    kind: str


def kind_of(name, made):
    if name in BF16:
        return "bf16"
    if any("QuantizeLinear" in node.op_type or node.op_type.startswith("QLinear") for node in made.graph.node):
        return "int8"
    return "f16" if any(each.data_type == onnx.TensorProto.FLOAT16 for each in made.graph.initializer) else "float"


def subjects_of(word, work):
    """The models that a word of --models stands for. Made models are written to `work`."""
    for name in SETS.get(word, [word]):
        path = pathlib.Path(name)
        if name in models.MODELS or name in models.QUANTIZED or name in BF16:
            made, path = models.make(BF16.get(name, name)), work / f"{name}.onnx"
            onnx.save(made, str(path))
            yield Subject(name, path, models.random_input(made), None, kind_of(name, made))
        elif path.is_file():
            made = onnx.load(str(path), load_external_data=False)
            yield Subject(path.stem, path, models.random_input(made), None, kind_of(name, made))
        elif folders := data_sets.model_folders(path):
            for folder in folders:
                made = onnx.load(str(folder / "model.onnx"), load_external_data=False)
                yield Subject(folder.name, folder / "model.onnx", data_sets.inputs_of(folder), folder, kind_of(folder.name, made))
        else:
            sys.exit(f"'{name}' is neither a model, a folder of models, nor one of {', '.join([*models.MODELS, *models.QUANTIZED, *BF16, *SETS])}")


def median_of(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}


def accuracy(actual, expected):
    a, b = actual.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    return {"largest": float(np.abs(a - b).max() / np.abs(b).max()), "cosine": float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))}


def relative_error(actual, expected):
    """Of the output that is furthest away; infinite where shapes differ."""
    worst = 0.0
    for a, b in zip(actual, expected, strict=True):
        if a.shape != b.shape:
            return float("inf")
        a, b = a.astype(np.float64), b.astype(np.float64)
        worst = max(worst, float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0)))
    return worst


def peers_of(subject, names, threads):
    """Those that take the model, which the first has to, and why others do not."""
    engines, without = [], {}
    for i, name in enumerate(names):
        try:
            engines.append(peers.PEERS[name](subject.path, subject.feed, threads, subject.kind == "bf16"))
            engines[-1].answer()  # some refuse only then
        except Exception as error:  # pylint: disable=broad-except  each has its own
            if i == 0:
                raise
            engines = [engine for engine in engines if engine.name != name]
            without[name] = "refused: " + reason_of(error)
    return engines, without


def reason_of(error):
    """The line of a peer's text that says most: OpenVINO begins with places in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if not line.startswith(("Exception from", "Check '", "While "))), lines[0])[:200]


def runs_per_second(engines, latency, several, arguments):
    """Of each engine, where it can be measured, in turns."""
    taken = [engine for engine in engines if hasattr(engine, "runs_per_second")]
    taken = [engine for engine in taken if not isinstance(engine, peers.InProcess) or latency[engine.name]["p50"]["median"] >= LEAST_MS_OF_SEVERAL]
    rounds = {engine.name: [] for engine in taken}
    for _ in range(arguments.rounds):
        for engine in taken:
            rounds[engine.name].append(engine.runs_per_second(several, arguments.seconds))
    return {name: median_of(each) for name, each in rounds.items()}


def compare(subject, build_dir, work, arguments):
    bf16 = subject.kind == "bf16"
    try:
        ours = peers.Tenon(str(build_dir / "bin" / "tenon"), subject.path, subject.feed, subject.data, work, arguments.threads, arguments.level, bf16)
    except peers.Refused as refused:
        why = str(refused).replace(str(subject.path), subject.path.name)  # results say nothing of where models lie on a machine
        print(f"{subject.name}: refused: {why}", flush=True)
        return {"model": subject.name, "refused": why}
    others, without = peers_of(subject, arguments.peers, arguments.threads)
    answers = {engine.name: engine.answer() for engine in (ours, *others)}
    error = relative_error(answers["tenon"], answers[others[0].name]) if others else 0.0
    limit = TOLERANCE[subject.kind]
    for other in others[1:]:
        if not (off := relative_error(answers[other.name], answers[others[0].name])) < limit:
            without[other.name] = f"its outputs differ from those of {others[0].name}, relative error {off:.1e}"
    engines = [ours, *(other for other in others if other.name not in without)]
    taken = [engine.name for engine in engines[1:]]
    for name, reason in without.items():
        print(f"{subject.name}: {name} is left out: {reason}", flush=True)
    if not error < limit:
        print(f"{subject.name}: the outputs differ, relative error {error:.2e}, allowed {limit}: nothing was measured", flush=True)
        return {"model": subject.name, "relative_error": error, "differs": True}
    accuracies = {name: accuracy(answers[name][0], answers[taken[0]][0]) for name in ("tenon", *taken[1:])} if bf16 and taken else {}
    primitives = build_dir / "benchmarks" / "onednn_resnet50"
    if subject.name == "resnet50" and primitives.exists():
        engines.append(peers.Primitives(str(primitives), arguments.threads))
    rounds = {engine.name: [] for engine in engines}
    stopped = False
    try:
        for _ in range(arguments.rounds):
            for engine in engines:
                rounds[engine.name].append(engine.round(arguments.seconds))
    except KeyboardInterrupt:
        if not all(rounds.values()):
            raise
        stopped = True  # these are fewer rounds
        whole = min(len(measured) for measured in rounds.values())
        rounds = {name: measured[:whole] for name, measured in rounds.items()}
    latency = {name: {key: median_of([each[key] for each in measured]) for key in ("p50", "p99")} for name, measured in rounds.items()}
    cold, several = {}, {}
    if not stopped:
        cold = {"tenon": ours.cold(), **{peer: peers.cold(peer, subject.path, subject.feed, arguments.threads, bf16, work) for peer in taken}}
    if not stopped and arguments.streams:
        several = runs_per_second(engines, latency, peers.Several(arguments.streams, max(1, arguments.threads // arguments.streams)), arguments)
    print(f"{subject.name}: outputs agree, relative error {error:.1e}; built in {ours.build_s['cold']:.1f} s, {ours.build_s['warm']:.1f} s with a timing cache")
    for engine, found in accuracies.items():
        print(f"  {engine:18s} largest error {found['largest']:.1e} of the largest output, cosine {found['cosine']:.6f}")
    for engine, times in latency.items():
        p50 = times["p50"]
        extra = f"   first answer {cold[engine]['first_answer_ms']:6.0f} ms, {cold[engine]['peak_rss_mib']:5.0f} MiB" if engine in cold else ""
        extra += f"   {several[engine]['median']:.4g} runs/s, {arguments.streams} at once" if engine in several else ""
        print(f"  {engine:18s} {p50['median']:9.4f} ms   [{p50['min']:.4f}, {p50['max']:.4f}]   p99 {times['p99']['median']:9.4f}   {report.ratio({'latency_ms': latency}, engine):5.2f}x ours{extra}", flush=True)
    return {"model": subject.name, "kind": subject.kind, "relative_error": error, "build_s": ours.build_s, "latency_ms": latency, "cold": cold, **({"runs_per_second": several} if several else {}), **({"without": without} if without else {}),
            **({"accuracy": accuracies} if accuracies else {}), **({"stopped": True} if stopped else {})}


def measure_all(arguments):
    """Results of the models one after the other, and whether Ctrl-C ended them early: what was measured by then stays."""
    results = []
    try:
        for word in arguments.models.split(","):
            with tempfile.TemporaryDirectory() as folder:
                for subject in subjects_of(word, pathlib.Path(folder)):
                    results.append(compare(subject, (ROOT / arguments.build_dir).resolve(), pathlib.Path(folder), arguments))
                    if results[-1].get("stopped"):
                        return results, True
    except KeyboardInterrupt:
        return results, True
    return results, False


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
    parser.add_argument("--streams", type=int, help="runs under way at once, to measure throughput; 0: not measured; left out: as many as threads")
    parser.add_argument("--level", type=int, default=3, choices=(0, 3, 5))
    parser.add_argument("--output", type=pathlib.Path, help="results as JSON; Markdown and SVG beside it")
    parser.add_argument("--kernels", action="store_true", help="single kernels beside the machine's limits")
    arguments = parser.parse_args()
    if arguments.kernels:
        text = kernel_table.markdown(*kernel_table.measure((ROOT / arguments.build_dir).resolve(), arguments.threads, 50), arguments.threads)
        print(text, end="")
        if arguments.output:
            arguments.output.write_text(text)
        return 0
    arguments.peers = [name for name in arguments.peers.split(",") if name]
    if unknown := [name for name in arguments.peers if name not in peers.PEERS]:
        parser.error(f"there is no peer {unknown[0]}; there are {', '.join(peers.PEERS)}")
    arguments.streams = arguments.threads if arguments.streams is None else arguments.streams
    results, stopped = measure_all(arguments)
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    document = {"machine": processor, "command": " ".join(["./dev bench", *sys.argv[1:]]), "commit": commit, "versions": versions(arguments.peers),
                "threads": arguments.threads, "streams": arguments.streams, "peers": arguments.peers, "results": results, **({"stopped": True} if stopped else {})}
    print("\n" + report.markdown(document), end="")
    if arguments.output:
        arguments.output.write_text(json.dumps(document, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(report.markdown(document))
        arguments.output.with_suffix(".svg").write_text(report.picture(document))
    if stopped:
        print("stopped: these are the results so far", file=sys.stderr)
        return 130  # as shells count Ctrl-C
    return 1 if any("differs" in result for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
