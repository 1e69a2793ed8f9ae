#!/usr/bin/env python3
"""Gives the tools bad input and checks exit code, text, and that nothing was damaged."""
import argparse
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"SKIPPED: the Python package {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)

OK, WRONG, USAGE, BAD_INPUT, ENVIRONMENT = range(5)
STOPPED = 130
failures = []


def model(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def good():
    weights = numpy_helper.from_array(np.random.default_rng(0).uniform(-1, 1, (8, 3, 3, 3)).astype(np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], name="conv1", pads=[1, 1, 1, 1]), helper.make_node("Relu", ["a"], ["y"], name="relu1")]
    return model(nodes, [tensor("x", ["N", 3, 16, 16])], [tensor("y", None)], [weights])


def long_build(layers=64):
    """Convolutions of distinct sizes: at level 5 each is timed for a good while."""
    random_weights = np.random.default_rng(1)
    weights, nodes, channels = [], [], 3
    for i in range(layers):
        outputs = 16 + i
        weights.append(numpy_helper.from_array(random_weights.uniform(-0.1, 0.1, (outputs, channels, 3, 3)).astype(np.float32), f"w{i}"))
        nodes.append(helper.make_node("Conv", [f"a{i}" if i else "x", f"w{i}"], [f"a{i + 1}" if i + 1 < layers else "y"], name=f"conv{i}", pads=[1, 1, 1, 1]))
        channels = outputs
    return model(nodes, [tensor("x", [1, 3, 96, 96])], [tensor("y", None)], weights)


def interrupted(tool, seconds, *words):
    """Runs and presses Ctrl-C after a while."""
    process = subprocess.Popen([tool, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


def run(tool, *words, limit_file_size=None, environment=None, by_nobody=False):
    def limits():
        if by_nobody and os.getuid() == 0:  # who may read everything
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        if limit_file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_file_size, limit_file_size))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    return subprocess.run([tool, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", preexec_fn=limits, timeout=120,
                          env={**os.environ, **(environment or {})})


def expect(name, done, code, *texts):
    output = done.stdout + done.stderr
    missing = [t for t in texts if t not in output]
    if done.returncode != code or missing:
        failures.append(name)
        print(f"WRONG {name}: exit code {done.returncode}, expected {code}; missing {missing}\n{output[:800]}\n")
    else:
        print(f"ok    {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenon", required=True)
    parser.add_argument("--trtexec", required=True)
    arguments = parser.parse_args()
    tenon = arguments.tenon
    with tempfile.TemporaryDirectory(prefix="tenon-errors-") as folder:
        work = pathlib.Path(folder)
        work.chmod(0o755)

        def save(name, made):
            path = work / name
            path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
            return path

        onnx_file = save("good.onnx", good())
        plan = work / "good.plan"
        expect("a good model builds", run(tenon, "build", onnx_file, "-o", plan, "--shapes", "x=1..2..4x3x16x16", "--level", 0), OK)
        plan_bytes = plan.read_bytes()
        model_bytes = onnx_file.read_bytes()

        # Files
        expect("missing model", run(tenon, "build", work / "none.onnx", "-o", work / "p"), BAD_INPUT, "none.onnx")
        expect("missing plan", run(tenon, "run", work / "none.plan"), BAD_INPUT, "none.plan")
        expect("empty model", run(tenon, "build", save("empty.onnx", b""), "-o", work / "p"), BAD_INPUT, "empty")
        expect("a text is no model", run(tenon, "build", save("text.onnx", b"hello, this is no model\n" * 9), "-o", work / "p"), BAD_INPUT, "ONNX model")
        for words in (("build", work, "-o", work / "p"), ("inspect", work), ("run", work)):
            expect(f"a directory for {words[0]}", run(tenon, *words), BAD_INPUT, "is a directory")
        locked_model, locked_plan, locked_array = save("locked.onnx", model_bytes), save("locked.plan", plan_bytes), work / "locked.npy"
        np.save(locked_array, np.zeros((1, 3, 16, 16), np.float32))
        for path in (locked_model, locked_plan, locked_array):
            path.chmod(0)
        for words in (("build", locked_model, "-o", "/dev/null"), ("inspect", locked_model), ("bench", locked_model), ("run", locked_plan), ("inspect", locked_plan), ("explain", locked_plan, "a"),
                      ("run", plan, "--input", f"x={locked_array}"), ("build", onnx_file, "-o", "/dev/null", "--timing-cache", locked_array), ("build", onnx_file, "-o", "/dev/null", "--replay", locked_plan)):
            expect(f"no permission to read for {words[0]} {words[1].name}", run(tenon, *words, by_nobody=True), ENVIRONMENT, "locked", "ermission denied")
        for flag, path in (("onnx", locked_model), ("loadEngine", locked_plan)):
            expect(f"no permission to read for --{flag}", run(arguments.trtexec, f"--{flag}={path}", by_nobody=True), ENVIRONMENT, "locked", "ermission denied")
        names = sorted({schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""})
        every = run(tenon, "inspect", save("every.onnx", model([helper.make_node(name, ["x"], [f"y{i}"]) for i, name in enumerate(names)], [tensor("x", [1])], [])))
        expect("every op of the standard", every, BAD_INPUT, "op If is not supported: Tenon has no loops and conditionals", "op NonZero is not supported: Tenon has no tensors whose extents depend on data",
               "op LSTM is not supported: Tenon has no recurrent layers", "op Det is not supported: Tenon has no importer for it", "a plugin library with a creator of its name")
        if "there is no importer, registered op" in every.stderr:
            failures.append("an op without a reason")
            print(f"WRONG an op of the standard is refused without a reason:\n{every.stderr}")
        expect("an op that the standard does not have", run(tenon, "inspect", save("noop.onnx", model([helper.make_node("Frobnicate", ["x"], ["y"])], [tensor("x", [1])], []))), BAD_INPUT, "there is no importer, registered op")
        expect("truncated model", run(tenon, "build", save("cut.onnx", model_bytes[: len(model_bytes) // 2]), "-o", work / "p"), BAD_INPUT)
        for name, content, code, text in (("empty", b"", BAD_INPUT, "the model is empty"), ("truncated", model_bytes[: len(model_bytes) // 2], BAD_INPUT, f"the {len(model_bytes) // 2} bytes are no ONNX model"),
                                          ("whole", model_bytes, 0, "built in")):
            file = save("piped.onnx", content)
            expect(f"{name} model in a pipe", run("sh", "-c", f"cat '{file}' | '{tenon}' build /dev/stdin -o '{work / 'p'}' --level 0"), code, text)
        expect("empty plan", run(tenon, "run", save("empty.plan", b"")), BAD_INPUT)
        expect("truncated plan", run(tenon, "run", save("cut.plan", plan_bytes[: len(plan_bytes) // 3])), BAD_INPUT, "truncated")
        expect("no plan", run(tenon, "explain", onnx_file, "conv1"), BAD_INPUT, "good.onnx' is an ONNX model, and a plan is wanted here", "tenon build")
        expect("no plan and no model", run(tenon, "inspect", work / "text.onnx"), BAD_INPUT, "ONNX model")
        generator = random.Random(5)
        crashes = 0
        for i in range(60):
            for kind, source in (("onnx", model_bytes), ("plan", plan_bytes)):
                damaged = bytearray(source)
                for _ in range(generator.randint(1, 4)):
                    damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
                path = save(f"flipped.{kind}", bytes(damaged))
                words = ("build", path, "-o", work / "p", "--level", 0) if kind == "onnx" else ("inspect", path)
                done = run(tenon, *words)
                if done.returncode not in (OK, WRONG, USAGE, BAD_INPUT, ENVIRONMENT) or (done.returncode and not (done.stderr + done.stdout).strip()):
                    crashes += 1
                    print(f"WRONG flipped {kind} {i}: exit code {done.returncode}\n{done.stderr[:300]}")
        if crashes:
            failures.append("flipped bits")
        else:
            print("ok    120 files with flipped bits")

        # Models
        cyclic = model([helper.make_node("Add", ["x", "b"], ["a"], name="first"), helper.make_node("Relu", ["a"], ["b"], name="second")],
                       [tensor("x", [2])], [tensor("b", [2])])
        expect("cyclic model", run(tenon, "build", save("cycle.onnx", cyclic), "-o", work / "p"), BAD_INPUT, "cycle", "first")
        unknown = model([helper.make_node("Frobnicate", ["x"], ["a"], name="frob"), helper.make_node("Relu", ["q"], ["y"], name="dangling")],
                        [tensor("x", [2])], [tensor("y", [2])])
        expect("two problems in one pass", run(tenon, "build", save("unknown.onnx", unknown), "-o", work / "p"), BAD_INPUT, "Frobnicate", "dangling")
        behind = model([helper.make_node("Foo", ["x"], ["a"], domain="acme", name="first"), helper.make_node("Bar", ["a"], ["b"], domain="acme", name="second"),
                        helper.make_node("Frobnicate", ["b"], ["y"], name="third")], [tensor("x", [2])], [tensor("y", [2])])
        behind.opset_import.append(helper.make_opsetid("acme", 1))
        expect("unknown ops behind unknown ops", run(tenon, "build", save("behind.onnx", behind), "-o", work / "p"), BAD_INPUT, "3 problems", "acme::Foo", "acme::Bar", "Frobnicate")
        typed = model([helper.make_node("Add", ["x", "i"], ["y"], name="mixed")], [tensor("x", [2]), tensor("i", [2], TensorProto.INT64)], [tensor("y", [2])])
        expect("mixed types", run(tenon, "build", save("types.onnx", typed), "-o", work / "p"), BAD_INPUT, "mixed")
        shapes = model([helper.make_node("MatMul", ["x", "z"], ["y"], name="product")], [tensor("x", [2, 3]), tensor("z", [4, 5])], [tensor("y", [2, 5])])
        expect("shapes that do not fit", run(tenon, "build", save("shapes.onnx", shapes), "-o", work / "p"), BAD_INPUT, "product", "3", "4")
        huge = model([helper.make_node("Relu", ["x"], ["y"], name="r")], [tensor("x", [1 << 40, 1 << 40])], [tensor("y", None)])
        done = run(tenon, "build", save("huge.onnx", huge), "-o", work / "p")
        expect("huge extents", done, done.returncode if done.returncode in (WRONG, BAD_INPUT) else BAD_INPUT)
        for count in (1 << 31, 1 << 32, 100000000, 99999999999999, (1 << 63) - 1):
            expect(f"a batch of {count}", run(tenon, "build", onnx_file, "-o", work / "p", "--shapes", f"x=1..1..{count}x3x16x16" if count >> 62 else f"x={count}x3x16x16"), WRONG, "tensor 'x'", "bytes")
        outside = good()
        outside.graph.initializer[0].ClearField("raw_data")
        outside.graph.initializer[0].data_location = TensorProto.EXTERNAL
        outside.graph.initializer[0].external_data.add(key="location", value="../../etc/passwd")
        expect("external data outside", run(tenon, "build", save("outside.onnx", outside), "-o", work / "p"), BAD_INPUT, "outside the model's folder")

        # Use
        expect("unknown verb", run(tenon, "frobnicate"), USAGE)
        expect("unknown input in --shapes", run(tenon, "build", onnx_file, "--shapes", "nobody=1x3x16x16"), USAGE, "nobody", "x")
        expect("shapes that fall", run(tenon, "build", onnx_file, "--shapes", "x=4..2..1x3x16x16"), USAGE)
        np.save(work / "big.npy", np.zeros((9, 3, 16, 16), np.float32))
        expect("shape outside the profile", run(tenon, "run", plan, "--input", f"x={work / 'big.npy'}"), USAGE, "x", "9")
        np.save(work / "double.npy", np.zeros((1, 3, 16, 16)))
        expect("wrong element type", run(tenon, "run", plan, "--input", f"x={work / 'double.npy'}"), BAD_INPUT, "f64", "f32")
        expect("missing module", run(tenon, "build", onnx_file, "--module", work / "none.so"), ENVIRONMENT, "none.so")
        expect("unknown backend", run(tenon, "build", onnx_file, "--backend", "nobody", "-o", work / "p"), USAGE, "nobody", "reference")
        expect("unknown verb named", run(tenon, "buld", onnx_file), USAGE, "buld", "build")
        model_bytes = onnx_file.read_bytes()
        expect("the model as timing cache", run(tenon, "build", onnx_file, "-o", work / "p", "--timing-cache", onnx_file), USAGE, "the model itself")
        other = work / "other.txt"
        other.write_text("not ours")
        expect("another file as timing cache", run(tenon, "build", onnx_file, "-o", work / "p", "--timing-cache", other), USAGE, "other.txt")
        expect("the model as output", run(tenon, "build", onnx_file, "-o", onnx_file), USAGE, "the model itself")
        expect("the model as trtexec's output", run(arguments.trtexec, f"--onnx={onnx_file}", f"--saveEngine={onnx_file}"), USAGE, "the model itself")
        if onnx_file.read_bytes() != model_bytes or other.read_text() != "not ours":
            failures.append("a file was overwritten")
            print("WRONG a file that was not ours was overwritten")
        np.save(work / "one.npy", np.zeros((1, 3, 16, 16), np.float32))
        expect("an input that is not there", run(tenon, "run", plan, "--input", f"zz={work / 'one.npy'}"), USAGE, "zz", "x")
        expect("an extent outside the plan's, to run", run(tenon, "run", plan, "--shapes", "x=5x3x16x16"), USAGE, "'x' 5x3x16x16 is outside 1x3x16x16 to 4x3x16x16")
        expect("an extent outside the plan's, to measure", run(tenon, "bench", plan, "--shapes", "N=5"), USAGE, "'x' 5x3x16x16 is outside")
        expect("a rank that is not the plan's", run(tenon, "bench", plan, "--shapes", "x=5"), USAGE, "input 'x' has 4 extents, [N=1..4, 3, 16, 16]; 5 has 1")
        expect("shapes of an input that is not there", run(tenon, "bench", plan, "--shapes", "q=1x3x16x16"), USAGE, "q", "x")
        expect("a build's option on a plan", run(tenon, "bench", plan, "--level", 0), USAGE, "--level", "plan")
        expect("a processor that is not there", run(tenon, "bench", plan, "--affinity", 1023), USAGE, "--affinity", "1023")
        expect("streams that would share processors", run(tenon, "bench", plan, "--streams", 2, "--threads", 2, "--affinity", sorted(os.sched_getaffinity(0))[0]), USAGE, "--threads 1")
        expect("several streams", run(tenon, "bench", plan, "--streams", 3, "--iterations", 5, "--duration", 0), OK, "15 runs")
        expect("extents left open", run(tenon, "build", onnx_file, "-o", work / "p", "--level", 0), OK, "takes 1 for them, x=1x3x16x16")
        expect("trtexec's flags without effect", run(arguments.trtexec, f"--onnx={onnx_file}", "--optShapes=x:1x3x16x16", "--useSpinWait", "--memPoolSize=workspace:512", "--buildOnly"), OK, "--useSpinWait has no effect", "PASSED")
        expect("trtexec's flags with an effect", run(arguments.trtexec, f"--onnx={onnx_file}", "--calib=x"), USAGE, "--calib")
        pair = model([helper.make_node("Add", ["p", "q"], ["y"])], [tensor("p", ["N", 3]), tensor("q", ["N", 3])], [tensor("y", None)])
        expect("an extent with a name, given once", run(tenon, "bench", save("pair.onnx", pair), "--shapes", "p=1..4..8x3", "--iterations", 1, "--duration", 0), OK, "p 4x3", "q 4x3")
        contradiction = ("--shapes", "p=1..4..8x3", "--shapes", "q=1..2..3x3")
        expect("two ranges of one name", run(tenon, "build", work / "pair.onnx", "-o", work / "p", *contradiction), USAGE, "extent 'N' is 1..4..8 by input 'p'", "1..2..3 by input 'q'")
        expect("a name and an input that contradict it", run(tenon, "build", work / "pair.onnx", "-o", work / "p", "--shapes", "N=1..4..8", "--shapes", "q=2x3"), USAGE, "extent 'N'", "input 'q'")
        pair_plan = work / "pair.plan"
        expect("an extent by its name", run(tenon, "build", work / "pair.onnx", "-o", pair_plan, "--shapes", "N=1..4..8"), OK)
        once = ("--iterations", 1, "--duration", 0)
        expect("the named extent of a plan", run(tenon, "bench", pair_plan, "--shapes", "N=3", *once), OK, "p 3x3", "q 3x3")
        expect("the named extent of a plan, by an input", run(tenon, "bench", pair_plan, "--shapes", "p=2x3", *once), OK, "q 2x3")
        expect("the named extent of a run", run(tenon, "run", pair_plan, "--shapes", "N=5"), OK, "f32 5x3")
        expect("two numbers of one name", run(tenon, "bench", pair_plan, "--shapes", "N=3", "--shapes", "p=2x3", *once), USAGE, "extent 'N' is 2 by input 'p' and 3 by its name")
        expect("a name that nothing has", run(tenon, "bench", pair_plan, "--shapes", "M=3", *once), USAGE, "'M'", "p, q", "N")
        expect("a name with two numbers", run(tenon, "build", work / "pair.onnx", "-o", work / "p", "--shapes", "N=3x4"), USAGE, "'N' is an extent")
        expect("named extents of trtexec", run(arguments.trtexec, f"--onnx={work / 'pair.onnx'}", "--minShapes=N:1", "--optShapes=N:4", "--maxShapes=N:8", "--shapes=N:6", "--iterations=1", "--duration=0", "--dumpOutput"), OK, "y: (6x3)", "PASSED")
        expect("ranks of trtexec's shapes", run(arguments.trtexec, f"--onnx={work / 'pair.onnx'}", "--minShapes=p:1x3", "--maxShapes=p:8"), USAGE, "shapes of 'p' have 2, 1 and 1 extents")
        apart = save("apart.onnx", model([helper.make_node("Add", ["p", "q"], ["y"], name="sum")], [tensor("p", ["N", 3]), tensor("q", ["M", 3])], [tensor("y", None)]))
        expect("a broadcast that the profile forbids", run(tenon, "build", apart, "-o", work / "p", *contradiction), WRONG, "sum", "extent 4 of 'p' (N) meets extent 2 of 'q' (M)")
        inner = save("inner.onnx", model([helper.make_node("MatMul", ["p", "q"], ["y"], name="product")], [tensor("p", [2, "K"]), tensor("q", ["J", 3])], [tensor("y", None)]))
        expect("a product that the profile forbids", run(tenon, "build", inner, "-o", work / "p", "--shapes", "K=1..4..8", "--shapes", "J=2..5..9"), WRONG, "product", "inner extents differ", "'p' [2, K=4], 'q' [J=5, 3]", "give equal ones")
        expect("extents that meet in the middle only", run(tenon, "build", apart, "-o", work / "apart.plan", "--shapes", "N=1..4..8", "--shapes", "M=1..4..8"), OK)
        expect("a broadcast that the run's shapes forbid", run(tenon, "bench", work / "apart.plan", "--shapes", "N=2", *once), USAGE, "'sum'", "does not take these shapes", "[2,3] does not broadcast to [4,3]", "the inputs are 'p' [N=2, 3], 'q' [M=4, 3]")
        halved = model([helper.make_node("Mul", ["w", "h"], ["v"], name="folded"), helper.make_node("MatMul", ["x", "v"], ["y"])], [tensor("x", [2, 4])], [tensor("y", None)],
                       [numpy_helper.from_array(np.ones((4, 4), np.float32), "w"), numpy_helper.from_array(np.float32(0.5).reshape(1), "h")])
        expect("folding without the reference among the providers", run(tenon, "build", save("halved.onnx", halved), "-o", work / "halved.plan", "--backend", "cpu"), OK)
        squeezed = model([helper.make_node("Squeeze", ["x"], ["y"], name="a_node_with_a_long_name")], [tensor("x", [1, "a_long_name_of_an_extent", 1])], [tensor("y", None)])
        expect("a long reason to its end", run(tenon, "run", save("squeezed.onnx", squeezed)), BAD_INPUT, "give 'axes'")
        expect("trtexec without a model", run(arguments.trtexec), USAGE, "FAILED")
        expect("check without references", run(tenon, "run", plan, "--check", work), BAD_INPUT, "output_0.pb")

        expect("an option with a slip", run(tenon, "build", onnx_file, "--shpes", "x=1x3x16x16"), USAGE, "--shpes", "did you mean --shapes?")
        expect("a module that is away", run(tenon, "run", plan, environment={"TENON_MODULES": "-cpu,-onednn"}), ENVIRONMENT, "module")
        done = run(tenon, "run", work / "none.plan", "--json")
        expect("a document without a result", done, BAD_INPUT, "none.plan")
        if json.loads(done.stdout)["error"]["exit_code"] != BAD_INPUT:
            failures.append("the document of an error")
            print(f"WRONG document of an error: {done.stdout}")
        expect("the reference of ops", run(tenon, "ops"), OK, "conv", "attention")
        expect("the list of passes", run(tenon, "opt", "--pass=list"), OK, "constant_fold")
        first, second = (run(tenon, "opt", onnx_file).stdout for _ in range(2))
        if first != second or "@hash" not in first:
            failures.append("the graph of a model changes")
            print(f"WRONG tenon opt prints another graph the second time:\n{first[:400]}\n{second[:400]}")
        expect("the graph of a model", run(tenon, "opt", onnx_file), OK, "graph @g", "conv1")

        # Ctrl-C keeps the best plan so far, says so, and replaces nothing.
        early = work / "early.plan"
        slow = save("long.onnx", long_build())
        expect("interrupted build", interrupted(tenon, 2, "build", slow, "-o", early, "--level", 5), STOPPED, "warning: stopped: ", "stopped: '", "not compared with the reference")
        np.save(work / "x96.npy", np.zeros((1, 3, 96, 96), np.float32))
        expect("plan of an interrupted build", run(tenon, "run", early, "--input", f"x={work / 'x96.npy'}"), OK, "warning: plan '", "the build was stopped")
        expect("times of a plan of an interrupted build", run(tenon, "bench", early, "--iterations", 1, "--duration", 0), OK, "warning: plan '", "the build was stopped")
        expect("the document of such times", run(tenon, "bench", early, "--iterations", 1, "--duration", 0, "--json", "-q"), OK, '"plan_stopped": true')
        expect("trtexec's times of such a plan", run(arguments.trtexec, f"--loadEngine={early}", "--iterations=1", "--duration=0"), OK, "[W] plan '", "the build was stopped")
        expect("an interrupted build says so in its plan", run(tenon, "inspect", early), OK, "the build was stopped")
        early_bytes = early.read_bytes()
        began = time.monotonic()
        expect("interrupted build as JSON", interrupted(tenon, 2, "build", slow, "-o", pathlib.Path(folder) / "json.plan", "--level", 5, "--json"), STOPPED, '"stopped": true')
        expect("interrupted build over a plan", interrupted(tenon, 2, "build", slow, "-o", early, "--level", 5), STOPPED, "early.plan.stopped", "stays as it was")
        if time.monotonic() - began > 2 + 15:  # about half a second where nothing else runs and nothing is sanitized
            failures.append("a build stops late")
            print(f"WRONG a build stopped after {time.monotonic() - began - 2:.1f} s")
        if early.read_bytes() != early_bytes:
            failures.append("an interrupted build replaced a plan")
            print("WRONG an interrupted build replaced a plan")
        expect("plan beside the plan", run(tenon, "run", work / "early.plan.stopped", "--input", f"x={work / 'x96.npy'}"), OK)
        expect("interrupted trtexec", interrupted(arguments.trtexec, 2, f"--onnx={slow}", f"--saveEngine={early}", "--builderOptimizationLevel=5"), STOPPED, "early.plan.stopped", "FAILED")
        expect("interrupted build of a run", interrupted(tenon, 2, "bench", slow, "--level", 5), STOPPED, "nothing was run")

        # A disk that is full leaves the old file.
        kept = work / "kept.plan"
        kept.write_bytes(b"old")
        expect("full disk", run(tenon, "build", onnx_file, "-o", kept, "--level", 0, limit_file_size=1000), ENVIRONMENT, "kept.plan")
        if kept.read_bytes() != b"old":
            failures.append("full disk damaged a file")
            print("WRONG full disk: the old file was damaged")

        # What cannot be written is found before the work: a build of these would take minutes.
        for name, output in (("a missing folder", work / "nowhere" / "p.plan"), ("no permission", "/proc/p.plan"), ("a folder", work)):
            began = time.monotonic()
            expect(f"output into {name}", run(tenon, "build", slow, "-o", output, "--level", 5), ENVIRONMENT, f"cannot write '{output}'")
            for flag in ("saveEngine", "exportTimes", "exportLayerInfo"):
                expect(f"--{flag} into {name}", run(arguments.trtexec, f"--onnx={slow}", f"--{flag}={output}", "--builderOptimizationLevel=5"), ENVIRONMENT, f"cannot write '{output}'")
            expect(f"times into {name}", run(tenon, "build", slow, "-o", work / "p", "--tuning-db", output, "--level", 5), ENVIRONMENT, f"cannot write '{output}'")
            if time.monotonic() - began > 20:
                failures.append("late refusal")
                print(f"WRONG output into {name}: refused after {time.monotonic() - began:.1f} s")
        expect("outputs of a run into /proc", run(tenon, "run", slow, "--output-dir", "/proc/nowhere", "--level", 5), ENVIRONMENT, "cannot write '/proc/nowhere'")
    print(f"{len(failures)} wrong" if failures else "all as documented")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
