#!/usr/bin/env python3
"""Side by side with PyTorch on one GPU, in one run: latency in half precision, same weights, outputs compared first.

    run.py --tenon PACKAGE/bin/tenon [--models resnet50:1,resnet50:128,bert_base_128:1] [--rounds N] [--output FILE.json]

Each model is a PyTorch module with random weights, exported to ONNX here. Peers: eager in channels-last half precision, replayed as a CUDA graph,
and torch.compile in its mode reduce-overhead; the faster one counts. Times are of a call on inputs that are on the device until the answer is there
(host clock around replay and synchronization), medians of rounds that take turns. The reference of both outputs is the module in f32.
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
import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    """BERT's encoder on embedded tokens. `fused` computes attention by PyTorch's own operator, else by its parts, as exporters write it."""

    def __init__(self, layers=12, width=768, heads=12):
        super().__init__()
        self.heads, self.fused = heads, True
        self.layers = nn.ModuleList(nn.ModuleDict({
            "q": nn.Linear(width, width), "k": nn.Linear(width, width), "v": nn.Linear(width, width), "o": nn.Linear(width, width),
            "up": nn.Linear(width, 4 * width), "down": nn.Linear(4 * width, width), "n1": nn.LayerNorm(width), "n2": nn.LayerNorm(width),
        }) for _ in range(layers))

    def forward(self, x):
        b, t, w = x.shape
        for layer in self.layers:
            q, k, v = (layer[n](x).view(b, t, self.heads, w // self.heads).transpose(1, 2) for n in "qkv")
            if self.fused:
                y = F.scaled_dot_product_attention(q, k, v)
            else:
                y = torch.softmax(q @ k.transpose(-1, -2) / (w // self.heads) ** 0.5, -1) @ v
            x = layer["n1"](x + layer["o"](y.transpose(1, 2).reshape(b, t, w)))
            x = layer["n2"](x + layer["down"](F.gelu(layer["up"](x))))
        return x


def make(name, batch):
    torch.manual_seed(0)
    if name == "bert_base_128":
        return Encoder().eval(), torch.randn(batch, 128, 768)
    import torchvision
    model = getattr(torchvision.models, name)(weights=None).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that keep activations in range
            module.running_var.fill_(1.0)
            module.weight.data.uniform_(0.4, 0.6)
    return model, torch.randn(batch, 3, 224, 224)


def graph_of(function, x):
    with torch.inference_mode():
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                function(x)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = function(x)
    return graph.replay, y


def wall_ms(call, seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        begin = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def error(actual, expected):
    return float(np.linalg.norm(actual.astype(np.float64) - expected) / np.linalg.norm(expected))


def compare(name, batch, work, arguments):
    model, x = make(name, batch)
    onnx_file, plan = work / f"{name}_{batch}.onnx", work / f"{name}_{batch}.plan"
    if isinstance(model, Encoder):
        model.fused = False
    torch.onnx.export(model, (x,), str(onnx_file), input_names=["x"], output_names=["y"], dynamo=False, opset_version=17)
    if isinstance(model, Encoder):
        model.fused = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    reference = model.cuda()
    with torch.inference_mode():
        expected = reference(x.cuda()).cpu().numpy().astype(np.float64)

    begin = time.monotonic()
    subprocess.run([arguments.tenon, "build", str(onnx_file), "-o", str(plan), "--fp16", "--timing-cache", str(work / "times.json")], check=True, stdout=sys.stderr)
    build_s = time.monotonic() - begin
    np.save(work / "x.npy", x.numpy())
    subprocess.run([arguments.tenon, "run", str(plan), "--input", f"x={work / 'x.npy'}", "--output-dir", str(work)], check=True, stdout=subprocess.DEVNULL)
    errors = {"tenon": error(np.load(work / "y.npy"), expected)}

    def tenon(seconds):
        text = subprocess.run([arguments.tenon, "bench", str(plan), "--graph", "--duration", str(seconds), "--warm-up", "200", "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(text)["latency_ms"]["p50"]

    torch.backends.cudnn.benchmark = True
    half = reference.half()
    xh = x.cuda().half()
    if xh.dim() == 4:
        half, xh = half.to(memory_format=torch.channels_last), xh.to(memory_format=torch.channels_last)
    engines = {"tenon": tenon}
    replay, y = graph_of(half, xh)
    replay()
    torch.cuda.synchronize()
    errors["torch eager + graph"] = error(y.float().cpu().numpy(), expected)
    engines["torch eager + graph"] = lambda seconds: wall_ms(replay, seconds)
    if not arguments.no_compile:
        compiled = torch.compile(half, mode="reduce-overhead")
        with torch.inference_mode():
            for _ in range(4):
                yc = compiled(xh)
        errors["torch.compile"] = error(yc.float().cpu().numpy(), expected)

        def run_compiled():
            with torch.inference_mode():
                compiled(xh)
        engines["torch.compile"] = lambda seconds: wall_ms(run_compiled, seconds)
    for engine, value in errors.items():
        if not value < 2e-2:
            sys.exit(f"{name} batch {batch}: {engine} differs from f32 by {value:.1e}: nothing was measured")
    rounds = {engine: [] for engine in engines}
    for _ in range(arguments.rounds):
        for engine, measure in engines.items():
            rounds[engine].append(measure(arguments.seconds))
    medians = {engine: statistics.median(values) for engine, values in rounds.items()}
    best = min(value for engine, value in medians.items() if engine != "tenon")
    print(f"{name} batch {batch}: built in {build_s:.0f} s; best peer over ours {best / medians['tenon']:.2f}x", flush=True)
    for engine, values in rounds.items():
        print(f"  {engine:20s} {medians[engine]:8.3f} ms [{min(values):.3f}, {max(values):.3f}]  {batch / medians[engine] * 1e3:10.0f} /s  relative error {errors[engine]:.1e}", flush=True)
    return {"model": name, "batch": batch, "build_s": build_s, "relative_error": errors,
            "latency_ms": {engine: {"median": medians[engine], "min": min(values), "max": max(values)} for engine, values in rounds.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", required=True)
    parser.add_argument("--models", default="resnet50:1,resnet50:128,bert_base_128:1")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    document = {"command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]), "gpu": torch.cuda.get_device_name(0), "torch": torch.__version__,
                "cudnn": torch.backends.cudnn.version(), "results": []}
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for entry in arguments.models.split(","):
            name, batch = entry.split(":")
            try:
                document["results"].append(compare(name, int(batch), pathlib.Path(folder), arguments))
            except (subprocess.CalledProcessError, SystemExit, RuntimeError) as problem:  # the others still count
                failed += 1
                print(f"{entry}: {problem}", flush=True)
            if arguments.output:
                arguments.output.write_text(json.dumps(document, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
