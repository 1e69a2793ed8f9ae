#!/usr/bin/env python3
"""tenon explain: names that are given in part, and refusals that say the same; what a build says of options without effect."""
import json
import pathlib
import re

from harness import USAGE, WRONG, helper, main, model, np, numpy_helper, small_network, tensor


def test(t):
    onnx_file, plan = t.save("small.onnx", small_network()), t.work / "small.plan"
    shapes = ("--shapes", "batch=1..2..4")
    t.run(t.tenon, "build", onnx_file, "-o", plan, *shapes)

    # Names
    whole, part = t.run(t.tenon, "explain", plan, "conv1").stdout, t.run(t.tenon, "explain", plan, "onv").stdout
    t.check("a part of one name", part == "conv1\n" + whole, part)
    t.check("a part of one name, as a document", json.loads(t.run(t.tenon, "explain", plan, "onv", "--json").stdout) == json.loads(t.run(t.tenon, "explain", plan, "conv1", "--json").stdout))
    t.check("a part of one name in another case", t.run(t.tenon, "explain", plan, "ONV1").stdout == "conv1\n" + whole)
    several = t.run(t.tenon, "explain", plan, "1", code=USAGE)
    t.says("a part of several names", several, "'1' is a part of 2 names: conv1, relu1", "give more")
    t.says("a part of no name", t.run(t.tenon, "explain", plan, "nothing", code=USAGE), "nothing in the plan comes from 'nothing'", "conv1", "mean")
    chain = model([helper.make_node("Relu" if i % 2 else "Sigmoid", [f"v{i}"], [f"v{i + 1}"], name=f"layer{i}") for i in range(30)], [tensor("v0", [4])], [tensor("v30", [4])])
    t.run(t.tenon, "build", t.save("chain.onnx", chain), "-o", t.work / "chain.plan", "--level", 0)
    t.says("a part of many names", t.run(t.tenon, "explain", t.work / "chain.plan", "layer", code=USAGE), "is a part of 30 names", "and 20 more")
    t.run(t.tenon, "explain", t.work / "chain.plan", "layer7")
    t.says("the nearest name first", t.run(t.tenon, "explain", t.work / "chain.plan", "layar17", code=USAGE), "the nearest first: layer17, ")

    layers = ("net/conv2d_1/Relu", "net/conv2d_2/Relu", "net/depthwise_conv2d_2/Relu", "net/head/Relu", "net/head/Sigmoid")
    paths = model([helper.make_node(name.split("/")[-1], [f"v{i}"], [f"v{i + 1}"], name=name) for i, name in enumerate(layers)], [tensor("v0", [4])], [tensor("v5", [4])])
    t.run(t.tenon, "build", t.save("paths.onnx", paths), "-o", t.work / "paths.plan", "--level", 0)
    for part, name in (("conv2d_2", "net/conv2d_2/Relu"), ("conv2d_2/Relu", "net/conv2d_2/Relu"), ("Sigmoid", "net/head/Sigmoid")):
        said = t.run(t.tenon, "explain", t.work / "paths.plan", part).stdout
        t.check(f"the one name that has {part} between slashes", said.startswith(name + "\n"), said)
    for part, count in (("head", 2), ("onv2d_2", 2), ("net", 5)):
        t.says(f"a part of several paths, {part}", t.run(t.tenon, "explain", t.work / "paths.plan", part, code=USAGE), f"'{part}' is a part of {count} names")

    # What shares memory is chosen and has no step; what is compared besides what is chosen stays known.
    joined = model([helper.make_node("Relu", ["a"], ["ra"]), helper.make_node("Sigmoid", ["b"], ["rb"]), helper.make_node("Concat", ["ra", "rb"], ["y"], name="joined", axis=0)],
                   [tensor("a", [64, 256]), tensor("b", [64, 256])], [tensor("y", [128, 256])])
    t.run(t.tenon, "build", t.save("joined.onnx", joined), "-o", t.work / "joined.plan")
    t.says("a step that shares memory", t.run(t.tenon, "explain", t.work / "joined.plan", "joined"), "no step, since its operands share memory")
    counts = []
    for words in ((), ("--verify-all",)):
        t.run(t.tenon, "build", onnx_file, "-o", t.work / "verified.plan", *shapes, *words)
        counts.append(t.run(t.tenon, "explain", t.work / "verified.plan", "conv1", "--json").stdout.count('"verified"'))
    t.check("verdicts on what was not chosen", counts[1] > counts[0] > 0, counts)

    # In short, and all of it
    everything = t.run(t.tenon, "explain", plan, "conv1", "--all").stdout
    t.check("what was chosen comes first", whole.startswith("CHOSEN region ") and whole.count("CHOSEN region ") == 1 and "not chosen region" not in whole, whole)
    t.check("what was not chosen has a line each", re.search(r"^not chosen, with all their tactics by --all:\n(  .* of .*conv1.*: .*tactics?.*\n)+$", whole, re.MULTILINE), whole)
    t.check("all of it where it is asked for", "not chosen region conv" in everything and len(everything.splitlines()) > len(whole.splitlines()), everything)
    steps = t.run(t.tenon, "explain", plan).stdout
    t.check("all steps where no name is given", re.search(r"^ *time +types +what +tactic", steps) and "conv1" in steps and "NAME says more" in steps, steps)

    # What a tactic was chosen over, where its region has no other: the reference computes node by node.
    def reasons(*words):
        t.run(t.tenon, "build", onnx_file, "-o", t.work / "alone.plan", *shapes, *words)
        return t.run(t.tenon, "explain", t.work / "alone.plan").stdout

    alone = reasons("--backend", "reference")
    t.check("the only tactics of all", re.search(r" conv1 +only candidate$", alone, re.MULTILINE) and "against" not in alone, alone)
    alone = reasons("--backend", "cpu")
    t.check("other regions are no tactics of this one", not re.search(r"(conv1|relu1) +only candidate$", alone, re.MULTILINE), alone)

    # Steps of little work may be for one thread: time decides.
    for rows, offered in ((2, False), (32, True), (512, False)):
        t.run(t.tenon, "build", t.save("softmax.onnx", model([helper.make_node("Softmax", ["x"], ["y"], name="softmax")], [tensor("x", [rows, 256])], [tensor("y", [rows, 256])])), "-o", t.work / "softmax.plan", "--threads", 2)
        said = t.run(t.tenon, "explain", t.work / "softmax.plan", "softmax", "--all").stdout
        t.check(f"one thread for {rows} rows of 256: {offered}", ("cpu        softmax, one thread" in said) == offered and "cpu        softmax" in said, said)

    # Names of tactics that differ at their ends
    weights = {"w1": (64, 16, 1, 1), "w2": (64, 1, 3, 3), "w3": (16, 64, 1, 1)}
    bottleneck = model([helper.make_node("Conv", ["x", "w1"], ["a"], name="widen"), helper.make_node("Relu", ["a"], ["b"], name="relu"), helper.make_node("Conv", ["b", "w2"], ["c"], name="depthwise", group=64, pads=[1, 1, 1, 1]),
                        helper.make_node("Relu", ["c"], ["d"], name="relu2"), helper.make_node("Conv", ["d", "w3"], ["y"], name="narrow")], [tensor("x", [1, 16, 14, 14])], [tensor("y", None)],
                       [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()])
    cache, told = t.work / "names.json", t.work / "names.plan"
    build = (t.tenon, "build", t.save("bottleneck.onnx", bottleneck), "-o", told, "--backend", "cpu", "--threads", 2, "--timing-cache", cache)
    t.run(*build)
    document = json.loads(cache.read_text())
    keys = [(key, record) for tasks in document["targets"].values() for providers in tasks.values() for times in providers.values() for key, record in times["tactics"].items()]
    for key, record in keys:
        record.pop("disturbed", None)
        record["us"] = 1.0 if re.match("inverted residual, one thread", key) else 50.0
    cache.write_text(json.dumps(document))
    t.run(*build)
    said = t.run(t.tenon, "explain", told).stdout
    t.check("the whole name of a tactic", "cpu/inverted residual, one thread " in said, (said, [key for key, _ in keys]))

    # Layouts: with times as if convolutions were a little faster on blocked tensors, and everything else much slower, all of the plan is linear.
    cache, told = t.work / "times.json", t.work / "told.plan"
    t.run(t.tenon, "build", onnx_file, "-o", told, *shapes, "--timing-cache", cache)
    document = json.loads(cache.read_text())
    for tasks in document["targets"].values():
        for providers in tasks.values():
            for times in providers.values():
                for key, record in times["tactics"].items():
                    record.pop("disturbed", None)  # these times would be measured again
                    record["us"] = 10.0 if "order(" not in key else 9.0 if "block(0:" in key else 50.0  # what has blocks of the weights' first dimension
    cache.write_text(json.dumps(document))
    t.run(t.tenon, "build", onnx_file, "-o", told, *shapes, "--timing-cache", cache)
    said = t.run(t.tenon, "explain", told, "conv1").stdout
    t.check("what the layouts of a faster tactic would cost", re.search(r"faster by itself; its layouts would add [\d.]+ us of conversions, [\d.]+ us in all\n +\S+: f32 .* to f32 .*, [\d.]+ us", said), said)

    # Refusals
    loaded = {each["name"] for each in json.loads(t.run(t.tenon, "modules", "--json").stdout)["modules"] if each["state"] == "loaded"}
    gpu = [name for name in ("cublaslt", "cuda", "cudnn") if name in loaded]
    refused = re.findall(r"^.*(?:cublaslt|cuda|cudnn).*refused.*$", whole, re.MULTILINE)
    t.check("modules of devices refuse where they are loaded", bool(refused) == bool(gpu), whole)
    for line in refused:
        t.check("modules of devices that are not here refuse in one line", line.split("refused: ")[1] == "computes on other devices" and all(name in line for name in gpu), line)
    each = t.run(t.tenon, "explain", plan, "conv1", "-v").stdout
    t.check("each refusal where it is asked for", all(re.search(rf"^ +{name} +refused: .*not on host", each, re.MULTILINE) for name in gpu), each)
    nowhere = t.run(t.tenon, "build", onnx_file, "-o", t.work / "p", "--backend", "onednn", *shapes, code=WRONG)
    t.check("providers that were not allowed share a line", nowhere.stderr.count("not among the backends that this build may use") == 1, nowhere.stderr)

    t.says("who would take it", nowhere, "cpu, reference take it, and are left out by --backend", "`tenon modules` lists")
    alone = t.run(t.tenon, "build", onnx_file, "-o", t.work / "p", "--backend", "onednn", *shapes, code=WRONG, environment={"TENON_MODULES": "onnx,onednn"})
    t.says("nobody would", alone, "no module that is loaded takes it otherwise")

    # Options without effect
    half = t.run(t.tenon, "build", onnx_file, "-o", plan, *shapes, "--fp16")
    t.check("--fp16 on a CPU says once that it has no effect", (half.stdout + half.stderr).count("kFP16 (--fp16) has no effect: nothing keeps f32 tensors in f16 on this CPU") == 1, half)
    brain = t.run(t.tenon, "build", onnx_file, "-o", t.work / "brain.plan", "--bf16", "--backend", "reference", "--level", 0, *shapes)
    has_bf16 = "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()
    t.says("--bf16 without the backends that have it", brain, "kBF16 (--bf16) has no effect: nothing keeps f32 tensors in bf16 on this CPU; " +
           ("this processor has AVX-512 BF16, and backends that --backend (setTacticProviders) leaves out may use it" if has_bf16 else "that is for processors with AVX-512 BF16"))
    t.says("a plan says so, too", t.run(t.tenon, "inspect", plan), "note: kFP16 (--fp16) has no effect")
    plain = t.run(t.tenon, "build", onnx_file, "-o", plan, *shapes)
    t.check("without it nothing is said", "has no effect" not in plain.stdout + plain.stderr, plain)
    trial = t.run(t.tenon, "build", onnx_file, "-o", plan, *shapes, "--level", 0)
    t.says("a plan of level 0", trial, "warning: level 0 timed no kernel: the plan is for trials")
    t.says("a plan of level 0 says so itself", t.run(t.tenon, "inspect", plan), "note: level 0 timed no kernel")

    # Modules by a list of their names
    states = {each["name"]: each["state"] for each in json.loads(t.run(t.tenon, "modules", "--json", environment={"TENON_MODULES": "reference,onnx"}).stdout)["modules"]}
    t.check("a list of modules", states["reference"] == states["onnx"] == "loaded" and all(state != "loaded" for name, state in states.items() if name not in ("reference", "onnx")), states)


main(test)
