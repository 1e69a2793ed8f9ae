#!/usr/bin/env python3
"""trtexec as scripts written for TensorRT use it: flags, the lines that they read, and files in TensorRT's JSON shapes."""
import json
import re

import numpy as np

from harness import BAD_INPUT, ENVIRONMENT, OK, USAGE, main, small_network


def numbers(line):
    return {name: float(value) for name, value in re.findall(r"([a-z0-9()%.]+) = ([-+.e0-9]+) ms", line)}


def test(t):
    onnx_file, plan = t.save("m.onnx", small_network()), t.work / "m.plan"
    files = {name: t.work / f"{name}.json" for name in ("times", "profile", "output", "layers")}
    x = np.random.default_rng(3).uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)
    x.tofile(t.work / "x.bin")
    np.save(t.work / "x.npy", x)

    built = t.run(t.trtexec, f"--onnx={onnx_file}", f"--saveEngine={plan}", "--minShapes=x:1x3x16x16", "--optShapes=x:2x3x16x16", "--maxShapes=x:4x3x16x16",
                  f"--timingCacheFile={t.work / 'times.cache'}", "--skipInference", "--avgTiming=2", "--memPoolSize=workspace:64MiB", "--profilingVerbosity=detailed")
    t.says("a build", built, "&&&& RUNNING TensorRT.trtexec", "&&&& PASSED TensorRT.trtexec", "[I] Engine built in", "--memPoolSize has no effect")
    t.check("the plan and the times are there", plan.stat().st_size > 0 and (t.work / "times.cache").stat().st_size > 0)

    measured = t.run(t.trtexec, f"--loadEngine={plan}", "--shapes=x:2x3x16x16", f"--loadInputs='x':{t.work / 'x.bin'}", "--iterations=20", "--duration=0", "--warmUp=0", "--avgRuns=5",
                     "--percentile=50,97.5", "--idleTime=0.1", "--dumpProfile", "--dumpLayerInfo", "--dumpOutput", "--separateProfileRun", "--useSpinWait", "--device=0", "--verbose",
                     f"--exportTimes={files['times']}", f"--exportProfile={files['profile']}", f"--exportOutput={files['output']}", f"--exportLayerInfo={files['layers']}")
    t.says("a measurement", measured, "=== Performance summary ===", "[I] Throughput: ", "[I] Total Host Walltime: ", "[I] Total GPU Compute Time: ", "=== Profile (20 iterations ) ===", "Layer Information:",
           "LayerType: ", "Output Tensors:", "y: (2x8)", "&&&& PASSED")
    t.check("means of five runs each", len(re.findall(r"Average on 5 runs - GPU latency: ", measured.stdout)) == 4, measured.stdout)
    for what in ("Latency", "Enqueue Time", "H2D Latency", "GPU Compute Time", "D2H Latency"):
        line = next((each for each in measured.stdout.splitlines() if each.startswith(f"[I] {what}: ")), "")
        found = numbers(line)
        t.check(f"the line of {what}", set(found) == {"min", "max", "mean", "median", "percentile(50%)", "percentile(97.5%)"} and found["min"] <= found["median"] <= found["max"]
                and found["median"] == found["percentile(50%)"], line)

    times = json.loads(files["times"].read_text())
    keys = ["startEnqMs", "endEnqMs", "startH2dMs", "endH2dMs", "startComputeMs", "endComputeMs", "startD2hMs", "endD2hMs", "h2dMs", "computeMs", "d2hMs", "latencyMs"]
    t.check("times of every run", len(times) == 20 and all(list(each) == keys for each in times), times[:1])
    t.check("runs follow each other", all(b["startComputeMs"] >= a["endComputeMs"] + 0.1 for a, b in zip(times, times[1:])), times)
    t.check("a run's time is its end less its start", all(abs(each["endComputeMs"] - each["startComputeMs"] - each["computeMs"]) < 1e-9 for each in times))
    head, *layers = json.loads(files["profile"].read_text())
    t.check("a profile's layers", head == {"count": 20} and layers and all(list(each) == ["name", "timeMs", "averageMs", "medianMs", "percentage"] for each in layers), layers)
    t.check("a profile's shares", abs(sum(each["percentage"] for each in layers) - 100) < 1e-6 and all(abs(each["timeMs"] / 20 - each["averageMs"]) < 1e-9 for each in layers), layers)
    information = json.loads(files["layers"].read_text())
    t.check("layers and bindings", information["Layers"] and set(information["Bindings"]) == {"x", "y"} and all("Name" in each and "LayerType" in each for each in information["Layers"]), information)
    t.check("a profile's names are those of layers", {each["name"] for each in layers} <= {each["Name"] for each in information["Layers"]}, layers)
    (output,) = json.loads(files["output"].read_text())
    t.check("an output", output["name"] == "y" and output["dimensions"] == "2x8" and len(output["values"]) == 16, output)
    t.run(t.tenon, "run", plan, "--input", f"x={t.work / 'x.npy'}", "--output-dir", t.work)
    t.check("an output's values are those of the inputs given", np.allclose(np.load(t.work / "y.npy").ravel(), output["values"]), output)
    t.run(t.trtexec, f"--loadEngine={plan}", "--shapes=batch:2", f"--loadInputs=x:{t.work / 'x.npy'}", "--iterations=1", "--duration=0", f"--exportOutput={files['output']}")
    t.check("inputs from .npy, a shape by its name", json.loads(files["output"].read_text())[0]["values"] == output["values"])

    quick = ("--iterations=1", "--duration=0", "--warmUp=0")
    graph = t.run(t.trtexec, f"--loadEngine={plan}", "--useCudaGraph", *quick)
    t.says("a graph of a plan for the CPU is a warning", graph, "--useCudaGraph has no effect: the plan computes on the CPU", "&&&& PASSED")
    typed = t.run(t.trtexec, f"--onnx={onnx_file}", "--stronglyTyped", "--best", *quick, code=USAGE)
    t.says("types that are kept and chosen", typed, "--stronglyTyped", "FAILED")
    t.run(t.trtexec, f"--onnx={onnx_file}", "--optShapes=batch:2", "--stronglyTyped", "--maxTactics=2", "--tacticSources=-CUBLAS,+CUDNN", "--infStreams=2", *quick)
    t.says("a source that is none", t.run(t.trtexec, f"--onnx={onnx_file}", "--tacticSources=-NOTHING", code=USAGE), "NOTHING", "CUBLAS_LT")
    t.says("inputs that are too short", t.run(t.trtexec, f"--loadEngine={plan}", "--shapes=batch:3", f"--loadInputs=x:{t.work / 'x.bin'}", *quick, code=BAD_INPUT), "x.bin", "bytes")
    t.says("inputs of nobody", t.run(t.trtexec, f"--loadEngine={plan}", f"--loadInputs=z:{t.work / 'x.bin'}", *quick, code=USAGE), "'z'")
    t.says("a percentile over 100", t.run(t.trtexec, f"--loadEngine={plan}", "--percentile=101", code=USAGE), "--percentile")
    t.says("a plan that is saved again", t.run(t.trtexec, f"--loadEngine={plan}", f"--saveEngine={t.work / 'n.plan'}", code=USAGE), "--saveEngine")
    other = t.work / "n.plan"
    t.says("a plan and a model", t.run(t.trtexec, f"--onnx={onnx_file}", f"--loadEngine={plan}", code=USAGE), "not both")
    t.says("two outputs of one path", t.run(t.trtexec, f"--onnx={onnx_file}", f"--exportTimes={other}", f"--saveEngine={t.work}/./n.plan", code=USAGE), "--saveEngine and --exportTimes both write")
    for flag, words in (("--onnx", (f"--onnx={onnx_file}", f"--exportTimes={onnx_file}")), ("--loadEngine", (f"--loadEngine={plan}", f"--exportOutput={plan}")),
                        ("--loadInputs", (f"--onnx={onnx_file}", f"--loadInputs=x:{t.work / 'x.bin'}", f"--saveEngine={t.work / 'x.bin'}"))):
        t.says(f"an output that {flag} reads", t.run(t.trtexec, *words, code=USAGE), "would overwrite", flag)
    missing = t.run(t.trtexec, f"--onnx={onnx_file}", f"--loadInputs=x:{t.work / 'none.bin'}", code=BAD_INPUT)
    t.check("missing inputs are said before the build", "none.bin" in missing.stderr and "Engine built" not in missing.stdout, missing)
    outside = t.run(t.trtexec, f"--onnx={onnx_file}", "--minShapes=x:1x3x16x16", "--maxShapes=x:4x3x16x16", "--shapes=x:8x3x16x16", code=USAGE)
    t.check("a shape outside the ranges is said before the build", "is outside" in outside.stderr and "Engine built" not in outside.stdout, outside)
    for words in (("--minShapes=batch:1", "--maxShapes=batch:4", "--shapes=x:8x3x16x16"), ("--minShapes=x:1x3x16x16", "--maxShapes=x:4x3x16x16", "--shapes=batch:8"),
                  ("--minShapes=batch:1", "--maxShapes=batch:4", "--shapes=batch:8")):
        outside = t.run(t.trtexec, f"--onnx={onnx_file}", *words, code=USAGE)
        t.check(f"{words[2]} outside {words[1]} is said before the build", "'x' 8x3x16x16 is outside 1x3x16x16 to 4x3x16x16" in outside.stderr and "Engine built" not in outside.stdout, outside)
    nobody = t.run(t.trtexec, f"--onnx={onnx_file}", "--optShapes=batch:2", "--shapes=z:2", code=USAGE)
    t.check("shapes of nobody are said before the build", "there is no input 'z'" in nobody.stderr and "Engine built" not in nobody.stdout, nobody)
    t.says("a shape outside those of a plan", t.run(t.trtexec, f"--loadEngine={plan}", "--shapes=batch:9", *quick, code=USAGE), "[E] input 'x' 9x3x16x16 is outside 1x3x16x16 to 4x3x16x16")
    open_extent = t.run(t.trtexec, f"--onnx={onnx_file}", *quick)
    t.check("every line has a mark", all(re.match(r"\[[VIWEF]\] |&&&& ", line) for line in (open_extent.stdout + open_extent.stderr).splitlines() if line), open_extent)
    t.says("a warning has its mark", open_extent, "[W] the model leaves extents open that no --shapes gives: ")
    t.says("everything has its mark", t.run(t.trtexec, f"--loadEngine={plan}", "--verbose", *quick), "[V] module ")
    t.says("build flags of a plan that is built", t.run(t.trtexec, f"--loadEngine={plan}", "--best", "--minShapes=batch:1", *quick), "[W] --best has no effect", "[W] --minShapes has no effect", "PASSED")
    t.says("times on the console", t.run(t.trtexec, f"--loadEngine={plan}", "--exportTimes=/dev/stdout", *quick), '"computeMs"', "PASSED")
    t.says("times that are missing", t.run(t.trtexec, f"--onnx={onnx_file}", f"--timingCacheFile={t.work / 'none.cache'}", "--errorOnTimingCacheMiss", code=1), "no recorded time")
    t.says("a file that cannot be written", t.run(t.trtexec, f"--onnx={onnx_file}", f"--exportProfile={t.work / 'nowhere' / 'p.json'}", code=ENVIRONMENT), "p.json")
    t.says("a flag that is not there", t.run(t.trtexec, f"--onnx={onnx_file}", "--useDLACore=0", code=USAGE), "--useDLACore")


main(test)
