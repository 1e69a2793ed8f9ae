#!/usr/bin/env python3
"""What plans and models say of themselves: steps that add up, times that are measured, estimated or taken under load, devices, open extents."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

from harness import BAD_INPUT, ENVIRONMENT, USAGE, WRONG, TensorProto, helper, main, model, np, numpy_helper, small_network, quantized_network, tensor

GPU = pathlib.Path(__file__).resolve().parent.parent / "gpu"


def steps_of(text):
    """In the head, by provider, and in the table of times."""
    head = int(re.search(r"profile 0: (\d+) steps?", text).group(1))
    by_provider = sum(int(n) for n in re.findall(r"^ +(\d+) steps? by ", text, re.MULTILINE))
    rows = re.findall(r"^ +[\d.]+ us +\d+ %  (.*?) \((\d+) steps?", text, re.MULTILINE)
    table = sum(int(n) for name, n in rows if not name.startswith("sum"))
    total = sum(int(n) for name, n in rows if name.startswith("sum"))
    return head, by_provider, table, total


def half_network():
    weights = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float16), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    return model(nodes, [tensor("x", [1, 3, 8, 8], TensorProto.FLOAT16)], [tensor("y", [1, 8, 6, 6], TensorProto.FLOAT16)], [weights])


def test(t):
    # Types
    half, plan = t.save("half.onnx", half_network()), t.work / "half.plan"
    for tool, words, computed in ((t.tenon, ("build", half, "-o", plan), "f32"), (t.trtexec, (f"--onnx={half}", f"--saveEngine={plan}", "--stronglyTyped", "--skipInference"), "f16")):
        t.run(tool, *words)
        layers = json.loads(t.run(t.tenon, "inspect", plan, "--json").stdout)["Layers"]
        types = {port["Format/Datatype"].split()[0] for layer in layers if "conv" in layer["LayerType"] for port in layer["Inputs"]}
        t.check(f"an f16 network by {words[0]} computes in {computed}", types == {computed}, layers)

    # Plans
    for name, made in (("small", small_network()), ("quantized", quantized_network())):
        plan = t.work / f"{name}.plan"
        shapes = ("--shapes", "batch=1..2..4") if name == "small" else ()
        t.run(t.tenon, "build", t.save(f"{name}.onnx", made), "-o", plan, *shapes)
        text = t.run(t.tenon, "inspect", plan).stdout
        t.check(f"steps of {name} add up", len(set(steps_of(text))) == 1, text)
        rows = re.findall(r"^ +([\d.]+) us +(\d+) %  (.*) \((\d+) steps?", text, re.MULTILINE)
        times = [float(us) for us, _, _, _ in rows]
        t.check(f"times of {name} add up", len(rows) > 1 and abs(sum(times[:-1]) - times[-1]) <= 0.01 * len(rows) * max(times), text)
        t.check(f"no times of nothing in {name}", all(int(steps) > 0 for _, _, _, steps in rows), text)
    t.says("types and extents of bindings", t.run(t.tenon, "inspect", t.work / "small.plan"), "input  x                            f32   [batch, 3, 16, 16]", "output y                            f32   [batch, 8]",
           "profile 0 takes batch=1..2..4", "time ", "types ", "first node", "each step by itself")
    t.says("types of steps", t.run(t.tenon, "inspect", t.work / "quantized.plan"), "output yq                           i8    [1, 8, 16, 16]", " to i8 ")
    small, plan = t.work / "small.onnx", t.work / "small.plan"

    # Outputs that are no files
    t.says("a plan for a device", t.run(t.tenon, "build", small, "-o", "/dev/null", "--shapes", "batch=1..2..4", "--level", 0), "/dev/null: ", "steps")
    fifo, received = t.work / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()), daemon=True)
    reader.start()
    document = json.loads(t.run(t.tenon, "build", small, "-o", fifo, "--shapes", "batch=1..2..4", "--level", 0, "--json").stdout)
    reader.join(10)
    t.check("a plan for a pipe", received and len(received[0]) == document["bytes"] and document["layers"] > 0 and not document["stopped"], document)

    untimed = t.work / "untimed.plan"
    t.run(t.tenon, "build", small, "-o", untimed, "--shapes", "batch=1..2..4", "--level", 0)
    text = t.run(t.tenon, "inspect", untimed).stdout
    t.check("what was not timed has no time", " 0.0 us" not in text and ("not timed" in text or "estimated" in text), text)

    # Weights that are products of weights: their module is needed where they are derived anew, not to run.
    scaled = small_network()
    scaled.graph.node[0].input[1] = "scaled"
    scaled.graph.node.insert(0, helper.make_node("Mul", ["w", "factor"], ["scaled"]))
    scaled.graph.initializer.append(numpy_helper.from_array(np.full(1, 2, np.float32), "factor"))
    t.run(t.tenon, "build", t.save("scaled.onnx", scaled), "-o", t.work / "scaled.plan", "--shapes", "batch=1..2..4", "--level", 0, "--backend", "cpu,reference")
    needs = [line for line in t.run(t.tenon, "inspect", t.work / "scaled.plan").stdout.splitlines() if "needs module" in line]
    t.check("modules that only derive weights", [("only to derive weights anew" in line) == ("module reference" in line) for line in needs] == [True, True], needs)

    # Replay
    replayed = t.work / "replayed.plan"
    done = t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", untimed)
    t.says("the replay of a plan without times", done, "was built at level 0")
    t.check("the replay of a plan without times is the plan", replayed.read_bytes() == untimed.read_bytes())
    one = t.work / "one.plan"
    t.run(t.tenon, "build", small, "-o", one, "--shapes", "batch=1..2..4", "--threads", 1)
    t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", one)
    t.check("a replay has the threads of its plan", replayed.read_bytes() == one.read_bytes())
    t.says("a replay with other threads", t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", one, "--threads", 2, code=USAGE), "1 thread", "--threads says 2")
    t.says("a replay of other shapes", t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..3..4", "--replay", one, code=1), "no recorded time", "same model, shapes",
           f"Shapes differ: '{one}' has x=1..2..4x3x16x16, this build x=1..3..4x3x16x16")
    thorough = t.work / "thorough.plan"
    t.run(t.tenon, "build", small, "-o", thorough, "--shapes", "batch=1..2..4", "--level", 4)
    t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", thorough)
    t.check("a replay has the level of its plan", replayed.read_bytes() == thorough.read_bytes())
    t.says("a replay at the default level, asked for", t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", thorough, "--level", 3, code=USAGE), "was built at level 4, and --level says 3")
    for words, code, wanted in ((("--fp16",), USAGE, f"--replay: '{one}' was built without --fp16; leave it out here"), (("--bf16",), USAGE, "was built without --bf16"),
                                (("--no-tf32",), USAGE, "was built without --no-tf32"), (("--level", 1), USAGE, "was built at level 3, and --level says 1"),
                                (("--timing-cache", t.work / "t", "--retime"), USAGE, "--retime excludes --replay"), (("--backend", "reference"), WRONG, ". --backend reference leaves tactics out that the plan may have times of")):
        t.says(f"a replay with {words[-1] if words[0] == '--timing-cache' else words[0]}", t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", one, *words, code=code), wanted)
    t.run(t.tenon, "build", small, "-o", thorough, "--shapes", "batch=1..2..4", "--backend", "cpu")
    t.says("a replay without the backends of its plan", t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", thorough, code=WRONG),
           f". '{thorough}' was built with --backend, which this build is without; its tactics are of cpu")
    t.run(t.tenon, "build", small, "-o", thorough, "--shapes", "batch=1..2..4", "--fp16", "--no-tf32")
    t.says("a replay without the options of its plan", t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", thorough, "--no-tf32", code=USAGE), "was built with --fp16; give it here as well")
    t.run(t.tenon, "build", small, "-o", replayed, "--shapes", "batch=1..2..4", "--replay", thorough, "--no-tf32", "--fp16")
    t.check("a replay with the options of its plan", replayed.read_bytes() == thorough.read_bytes())
    other = t.save("other.onnx", model([helper.make_node("Relu", ["image"], ["y"])], [tensor("image", ["batch", 3])], [tensor("y", None)]))
    t.says("a replay for another network", t.run(t.tenon, "build", other, "-o", replayed, "--replay", one, code=USAGE), f"--replay: '{one}' is the plan of another network: it has input 'x' f32 of rank 4, "
           "and the model has input 'image' f32 of rank 2")

    # Times under load are marked where they stand, and measured again where that is allowed.
    cache = t.work / "times.json"
    cached = ("--shapes", "batch=1..2..4", "--timing-cache", cache)
    t.run(t.tenon, "build", small, "-o", plan, *cached)
    whole = json.loads(cache.read_text())
    (target,) = whole["targets"]
    whole["targets"]["another machine"] = whole["targets"][target]

    def records(document):
        # Whether whole plans race, and which, depends on the times.
        return [record for task, providers in document["targets"][target].items() if not task.startswith("race ") for times in providers.values() for record in times["tactics"].values() if "us" in record]

    def write(us, disturbed):
        document = json.loads(json.dumps(whole))
        for record in records(document):
            record.pop("disturbed", None)
            record.update({"us": us, **({"disturbed": True} if disturbed else {})})
        cache.write_text(json.dumps(document))

    write(1e6, True)
    said = t.run(t.trtexec, f"--onnx={small}", f"--saveEngine={plan}", "--minShapes=batch:1", "--optShapes=batch:2", "--maxShapes=batch:4", f"--timingCacheFile={cache}",
                 "--errorOnTimingCacheMiss", "--skipInference")
    count = len(records(whole))
    t.says("times under load that may not be measured again", said, "times from the timing cache were measured while other work kept the processors busy")
    t.check("stay as they are", all(record["us"] == 1e6 and record["disturbed"] for record in records(json.loads(cache.read_text()))), cache.read_text())
    t.says("times under load", t.run(t.tenon, "inspect", plan), "timed under load", "under load")
    t.says("a tactic's time under load", t.run(t.tenon, "explain", plan, "conv1"), "under load")
    said = t.run(t.tenon, "build", small, "-o", plan, *cached, "-v")
    again = [record for record in records(json.loads(cache.read_text())) if record["us"] < 1e6]
    t.check("times under load are measured again", len(again) >= 4, cache.read_text())
    t.check("the log says where times came from", re.search(r"info: times of tactics: \d+ from the timing cache \(\d+ of them measured under load\), [1-9]\d* measured now \([1-9]\d* of them since", said.stderr), said.stderr)

    # Builds at the same time keep each other's times.
    both, alone = t.work / "both.json", t.work / "alone.json"
    with subprocess.Popen([t.tenon, "build", small, "-o", t.work / "slow.plan", "--shapes", "batch=1..2..4", "--timing-cache", both, "-q"], env=t.environment()):
        time.sleep(0.05)
        t.run(t.tenon, "build", other, "-o", t.work / "quick.plan", "--shapes", "batch=1..2..4", "--timing-cache", both)
    t.run(t.tenon, "build", other, "-o", t.work / "quick.plan", "--shapes", "batch=1..2..4", "--timing-cache", alone)
    tasks = [{task for task in json.loads(file.read_text())["targets"][target] if not task.startswith("race ")} for file in (alone, both)]
    t.check("times of a build beside another one", tasks[0] and tasks[0] < tasks[1], tasks)

    write(1e6, False)
    said = t.run(t.tenon, "build", small, "-o", plan, *cached, "-v")
    t.check("times that are no worse are used", all(record["us"] == 1e6 for record in records(json.loads(cache.read_text()))) and ", 0 measured now" in said.stderr, said.stderr)
    t.run(t.tenon, "build", small, "-o", plan, *cached, "--retime")
    document = json.loads(cache.read_text())
    t.check("everything is measured anew where it is asked for", len(records(document)) == count and all(record["us"] < 1e6 for record in records(document)), document)
    t.check("what is of another machine stays", document["targets"]["another machine"] == whole["targets"]["another machine"])
    t.says("--retime of nothing", t.run(t.tenon, "build", small, "-o", plan, "--retime", code=USAGE), "--retime requires --timing-cache")

    # Models
    for words in (("inspect", small), (small,)):
        said = t.run(t.tenon, *words)
        t.says(f"a model by {words[0]}", said, "ONNX model 'g', 3 nodes and 1 constant\n", "input  x", "f32   [batch, 3, 16, 16]", "output y", "[batch, 8]", "open extents: batch")
        t.check("a model's extents are no guesses", "takes 1 for them" not in said.stderr, said.stderr)
    listed = json.loads(t.run(t.tenon, "inspect", small, "--json").stdout)
    relu = helper.make_node("Relu", ["x"], ["y"])
    for dims, wanted, given in (([None, 3, None], "open extents: x_0, x_2; tenon build gives their ranges, by input, --shapes x=1..8..32x3x1..8..32\n", ("x=2x3x4",)),
                                (["batch", None], "open extents: batch, x_1; tenon build gives their ranges, --shapes NAME=1..8..32, by name where the model has one (batch), else by input, "
                                                  "--shapes x=1..8..32x1..8..32\n", ("x=2x4",)),
                                (["batch", 3], "open extents: batch; tenon build gives their ranges, --shapes NAME=1..8..32, by input or by name\n", ("batch=2",))):
        path = t.save("open.onnx", model([relu], [tensor("x", dims)], [tensor("y", None)]))
        t.says(f"what {dims} leaves open", t.run(t.tenon, "inspect", path), wanted)
        t.run(t.tenon, "build", path, "-o", t.work / "open.plan", "--level", 0, "--shapes", *given)
    t.check("a model's document", listed["inputs"] == [{"name": "x", "dtype": "f32", "shape": "[batch, 3, 16, 16]"}] and (listed["nodes"], listed["constants"]) == (3, 1), listed)

    # Databases
    packed = t.work / "h200.tuning.gz"
    shutil.copy(GPU / "h200.tuning.gz", packed)
    before = packed.read_bytes()
    for option in ("--tuning-db", "--timing-cache"):
        t.says(f"a compressed file by {option}", t.run(t.tenon, "build", small, "-o", plan, option, packed, code=BAD_INPUT), "h200.tuning.gz", "gunzip")
    t.check("a compressed file stays as it is", packed.read_bytes() == before)

    # Modules
    refusing = pathlib.Path(t.tenon).parents[1] / "tests" / "modules" / "bad_null_entry.so"
    t.says("the kit on a module that takes nothing", t.run(t.tenon, "modules", "--test", refusing, code=USAGE), "every case was refused: nothing was tested")
    t.check("the same as a document", json.loads(t.run(t.tenon, "modules", "--test", refusing, "--json", code=USAGE).stdout)["passed"] is False)
    listed = json.loads(t.run(t.tenon, "modules", "--json").stdout)["modules"]
    loaded = {each["name"]: each for each in listed if each["state"] == "loaded"}
    for name in ("cuda", "cublaslt", "cudnn"):
        if name in loaded:
            t.check(f"{name} says that there is no device", loaded[name].get("no_device"), loaded[name])
    t.check("modules of the host need no device", "no_device" not in loaded["reference"] and "no_device" not in loaded["cpu"], loaded)
    without = t.run(t.tenon, "build", small, "-o", plan, code=ENVIRONMENT, environment={"TENON_MODULES": "reference,cpu"})
    t.check("a parser that is left out", re.search(r"no module brings an ONNX parser; \S+: TENON_MODULES leaves it out; change TENON_MODULES$", without.stderr, re.MULTILINE) and without.stderr.count("error:") == 1, without.stderr)
    without = t.run(t.tenon, "build", small, "-o", plan, code=ENVIRONMENT, environment={"TENON_MODULES": "onnx"})
    t.check("backends that are left out", without.stderr.count("\n") < 4 and "error: the build failed: Environment: no backend is loaded" in without.stderr and "`tenon modules` says" in without.stderr, without.stderr)
    for option, path, wanted in (("--module", t.work / "none.so", "cannot load the module {}: No such file or directory; check the path"), ("--plugins", t.work / "none.so", "plugin library '{}' cannot be loaded: No such file or directory"),
                                 ("--plugins", small, "plugin library '{}' cannot be loaded: the file is no shared library (it has no ELF header)")):
        t.check(f"a {path.suffix} file for {option} is refused in a line that has its name once", t.run(t.tenon, "build", small, "-o", plan, option, path, code=ENVIRONMENT).stderr == f"error: {wanted.format(path)}\n")
    t.says("names without commas between them", t.run(t.tenon, "modules", environment={"TENON_MODULES": "-cpu -onednn"}), "commas stand between them")


main(test)
