"""Latency beside PyTorch on one GPU, in half precision with the same weights; outputs are compared first, rounds take turns."""
import json
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

import networks


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


BYTES = {"f32": 4, "f16": 2, "bf16": 2, "i64": 8, "f64": 8, "i32": 4, "i8": 1, "u8": 1, "bool": 1}


def step_floor_us(layer):
    """What a step's arithmetic, or its traffic with each tensor once, takes at least."""
    def elements(tensor):
        return float(np.prod([max(extent, 1) for extent in tensor["Dimensions"]])) if tensor["Dimensions"] else 1.0
    distinct = {(tensor["Name"], tensor["Format/Datatype"]): tensor for tensor in layer["Inputs"] + layer["Outputs"]}.values()
    traffic = sum(elements(tensor) * BYTES.get(tensor["Format/Datatype"].split()[0], 4) for tensor in distinct)
    inputs, outputs, flops = layer["Inputs"], layer["Outputs"], 0.0
    if "attention" in layer["LayerType"] and len(inputs) > 1:
        keys = inputs[1]["Dimensions"]
        flops = 4 * elements(outputs[0]) * max(keys[-2:] if len(keys) < 4 else (keys[-2], keys[-3]))
        flops = flops if keys[-1] > 1 else 0.0
    elif "conv" in layer["LayerType"] and len(inputs) > 1:
        flops = 2 * elements(outputs[0]) * elements(inputs[1]) / max(inputs[1]["Dimensions"][0], 1)
    elif "matmul" in layer["LayerType"] or "product" in layer["LayerType"]:
        flops = 2 * sum(elements(output) for output in outputs) * max(inputs[0]["Dimensions"][-1:], default=0)
    return 1e6 * max(flops / networks.PEAK_FLOPS, traffic / networks.PEAK_BYTES)


class Ours:
    """A plan that is built, run once for its answer, and timed by `tenon bench`."""

    def __init__(self, tenon, onnx_file, x, work):
        self.tenon, self.work = tenon, work
        self.plan = onnx_file.with_suffix(".plan")
        times = onnx_file.with_suffix(".times")
        command = [tenon, "build", "-v", str(onnx_file), "-o", str(self.plan), "--fp16", "--timing-cache", str(times)]
        self.build_s, self.phases, self.steps = self.build(command)
        ahead = onnx_file.with_suffix(".seconds")  # prepare.py built it first, beside other work
        self.built_ahead = ahead.exists()
        if self.built_ahead:
            self.warm_build_s, self.build_s = self.build_s, float(ahead.read_text())
        else:
            self.warm_build_s, _, _ = self.build(command)
        np.save(work / "x.npy", x.numpy())
        subprocess.run([tenon, "run", str(self.plan), "--input", f"x={work / 'x.npy'}", "--output-dir", str(work)], check=True, stdout=subprocess.DEVNULL)
        self.answer = np.load(work / "y.npy")
        self.start, self.enqueue_us = {}, None
        self.profile = self.inspect()

    def inspect(self):
        """Where the time goes by what the build measured: seconds and steps by operation and tactic, the longest first."""
        document = json.loads(subprocess.run([self.tenon, "inspect", "--json", str(self.plan)], check=True, stdout=subprocess.PIPE, text=True).stdout)
        self.layers = document.get("Layers", [])
        counts = {}
        for layer in self.layers:
            key = f"{layer['LayerType']} by {layer['TacticName']}"
            counts[key] = counts.get(key, 0) + 1
        text = subprocess.run([self.tenon, "inspect", str(self.plan)], check=True, stdout=subprocess.PIPE, text=True).stdout
        shares = text.partition("where the time goes:")[2].splitlines()[1:]
        return {"steps": dict(sorted(counts.items(), key=lambda entry: -entry[1])), "times": [" ".join(line.split()) for line in shares if line.strip()][:20]}

    def build(self, command):
        begin = time.monotonic()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seconds = time.monotonic() - begin
        self.notes = [line for line in done.stdout.splitlines() if "dropped" in line or "not compared" in line]
        print(f"built in {seconds:.1f} s", *self.notes, sep="\n  ", file=sys.stderr, flush=True)
        phases = next((line.split("went: ")[1] for line in done.stdout.splitlines() if "where the time went: " in line), "")
        steps = next((int(part.split()[-2]) for line in done.stdout.splitlines() for part in line.split(",") if part.endswith(" steps")), None)
        return seconds, phases, steps

    def bench(self, seconds, *flags):
        command = [self.tenon, "bench", str(self.plan), "--graph", "--duration", str(seconds), "--warm-up", "100", "--json", *flags]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    def measure(self, seconds):
        document = self.bench(seconds)
        self.start = {key: document.get(key) for key in ("devices_s", "load_s", "first_run_s")}
        self.enqueue_us = document.get("enqueue_us")
        return document["latency_ms"]["p50"]

    def slowest_steps(self):
        """The steps that lose most against their floors: what they compute, by what, in which time, and the floor."""
        times = self.bench(0.05, "--profile")["profile"]
        layers = {layer["Name"]: layer for layer in self.layers}
        steps = []
        for entry in times:
            layer = layers.get(entry["name"])
            if layer:
                steps.append({"step": entry["name"][-60:], "op": layer["LayerType"], "tactic": layer.get("TacticName", ""), "us": 1e3 * entry["ms"], "floor_us": step_floor_us(layer)})
        groups = {}
        for step in steps:
            group = groups.setdefault(step["op"] + " by " + step["tactic"].split("/")[0], {"steps": 0, "us": 0.0, "floor_us": 0.0})
            group["steps"] += 1
            group["us"] += step["us"]
            group["floor_us"] += step["floor_us"]
        return {"steps": sorted(steps, key=lambda step: step["floor_us"] - step["us"])[:12],
                "groups": dict(sorted(groups.items(), key=lambda entry: -entry[1]["us"])[:12])}


def compare(name, batch, package, work, arguments):
    model, x = networks.make(name, batch)
    onnx_file = work / f"{name}_{batch}.onnx"
    prepared = [file for kind in (".onnx", ".times", ".seconds") if arguments.prepared and (file := arguments.prepared / f"{name}_{batch}{kind}").exists()]
    for file in prepared:
        shutil.move(file, work / file.name)
    if not prepared:
        networks.export(model, x, onnx_file)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    reference = model.cuda()
    with torch.inference_mode():
        expected = reference(x.cuda()).cpu().numpy().astype(np.float64)
    ours = Ours(package / "bin" / "tenon", onnx_file, x, work)
    engines, errors = {"tenon": ours.measure}, {"tenon": error(ours.answer, expected)}

    torch.backends.cudnn.benchmark = True
    half, xh = reference.half(), x.cuda().half()
    if xh.dim() == 4:
        half, xh = half.to(memory_format=torch.channels_last), xh.to(memory_format=torch.channels_last)

    def eager():
        with torch.inference_mode():
            half(xh)
    replay, y = graph_of(half, xh)
    replay()
    torch.cuda.synchronize()
    errors["torch eager + graph"] = error(y.float().cpu().numpy(), expected)
    engines["torch eager"] = lambda seconds: wall_ms(eager, seconds)
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
    # Deep networks of random weights lose more in half precision than trained ones: PyTorch's own error is a measure of that.
    limit = max(2e-2, 2 * min(value for engine, value in errors.items() if engine != "tenon"))
    listed = ", ".join(f"{engine} {value:.1e}" for engine, value in errors.items())
    print(f"{name} batch {batch}, relative errors against f32: {listed}; allowed {limit:.1e}", file=sys.stderr, flush=True)
    if not errors["tenon"] < limit:
        raise RuntimeError(f"differs from f32 by more than {limit:.1e} ({listed}): nothing was measured")
    rounds = {engine: [] for engine in engines}
    for _ in range(arguments.rounds):
        for engine, measure in engines.items():
            rounds[engine].append(measure(arguments.seconds))
    medians = {engine: statistics.median(values) for engine, values in rounds.items()}
    best = min((engine for engine in medians if engine != "tenon"), key=medians.get)
    floor = networks.floor_ms(name, batch)
    return {
        "model": name, "batch": batch, "build_s": ours.build_s, "built_ahead": ours.built_ahead, "warm_build_s": ours.warm_build_s, **ours.start, "enqueue_us": ours.enqueue_us, "steps": ours.steps,
        "phases": ours.phases, "notes": ours.notes, "profile": ours.profile, "steps_by_loss": ours.slowest_steps(), "relative_error": errors, "floor_ms": floor, "of_floor": floor / medians["tenon"],
        "best_peer": best, "speedup": medians[best] / medians["tenon"],
        "latency_ms": {engine: {"median": medians[engine], "min": min(values), "max": max(values)} for engine, values in rounds.items()},
    }


def free():
    torch.compiler.reset()
    torch.cuda.empty_cache()


def run(entries, package, work, arguments, seconds, keep):
    """`keep` is called after each model with all results so far."""
    end = time.monotonic() + seconds
    results, slowest = [], 0.0
    for entry in entries:
        name, batch = entry.split(":")
        begin = time.monotonic()
        if begin + slowest > end:
            results.append({"model": name, "batch": int(batch), "reason": "no time left"})
        else:
            try:
                results.append(compare(name, int(batch), package, work, arguments))
            except (subprocess.CalledProcessError, RuntimeError, ValueError, OSError) as problem:  # the others still count
                output = getattr(problem, "stdout", None) or ""
                results.append({"model": name, "batch": int(batch), "reason": f"{problem} {output[-800:]}"})
            free()
            slowest = max(slowest, 0.7 * (time.monotonic() - begin))
        print(json.dumps({key: value for key, value in results[-1].items() if key not in ("phases", "profile", "steps_by_loss")}), file=sys.stderr, flush=True)
        keep(results)
    return results
