"""A tactic that wins by time and is wrong is found out, dropped with a warning, and another one chosen: check.py PREFIX BUILD"""
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnx.reference

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples"))
from tool import Tool, expect, model

tool = Tool(*sys.argv[1:3])
module = tool.build / "modules" / "tenon_liar.tenonmod"
x = np.random.default_rng(1).uniform(-1, 1, (64, 1024)).astype(np.float32)
nodes = [
    onnx.helper.make_node("Constant", [], ["axis"], value=onnx.numpy_helper.from_array(np.array(1, np.int64))),
    onnx.helper.make_node("CumSum", ["x", "axis"], ["y"], name="running"),
]
folder = tool.data("liar", model(nodes, [("x", [64, 1024])], [("y", [64, 1024])]), [x], [np.cumsum(x.astype(np.float64), axis=1).astype(np.float32)])


def build(folder, name, *options, **environment):
    """The lines that the build prints, and the plan."""
    plan = tool.build / f"{name}.plan"
    done = subprocess.run([tool.binary, "build", str(folder / "model.onnx"), "-o", str(plan), "--module", str(module), *map(str, options)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment})
    print(done.stdout, end="")
    expect(done.returncode == 0, "the build should go on without the wrong tactic")
    return done.stdout, plan


# Once with times that are measured, once with times and verdicts that a cache remembers.
cache = tool.build / "liar.timing"
cache.unlink(missing_ok=True)
for _ in range(2):
    said, plan = build(folder, "liar", "--timing-cache", cache)
    expect("dropped tactic 'copy'" in said and "differs from the reference" in said, "a warning should name the tactic and the reason")
    expect(tool.chosen(plan)["running"] != "liar", "a wrong tactic was chosen")
    tool.run("run", plan, "--check", folder, "--rtol", "1e-3", "--atol", "1e-2", "--module", module)

# A verdict counts for the file of the module that was verified, whatever version the module says it has.
remembered = json.loads(cache.read_text())


def forget_modules(node):
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "verified":
            value["module"] = "another"
        forget_modules(value)


def verdicts(node):
    if isinstance(node, dict) and "verified" in node:
        yield node["verified"]["module"]
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from verdicts(value)


expect(any(True for _ in verdicts(remembered)), "the cache should remember verdicts")
forget_modules(remembered)
cache.write_text(json.dumps(remembered))
build(folder, "liar", "--timing-cache", cache)
expect("another" not in set(verdicts(json.loads(cache.read_text()))), "verdicts about another file of the module were trusted")

# The same of conversions between layouts, of values and of weights: nothing but the reference backend says what is right.
rng = np.random.default_rng(2)
image = rng.uniform(-1, 1, (1, 16, 64, 64)).astype(np.float32)
weights = [rng.uniform(-0.1, 0.1, (16, 16, 3, 3)).astype(np.float32) for _ in range(3)]
nodes = [onnx.helper.make_node("Conv", [f"t{i}" if i else "x", f"w{i}"], [f"t{i + 1}" if i < 2 else "y"], name=f"conv{i}", pads=[1, 1, 1, 1])
         for i in range(3)]
network = model(nodes, [("x", image.shape)], [("y", image.shape)])
network.graph.initializer.extend(onnx.numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights))
expected = onnx.reference.ReferenceEvaluator(network).run(None, {"x": image})
folder = tool.data("liar_layouts", network, [image], expected)
said, plan = build(folder, "liar_layouts", "--level", "3", "--backend", "liar,cpu,reference")  # named, so that nothing is left out for its small gain
expect("dropped tactic 'nothing' of convert" in said, "a warning should name the conversion")
tool.run("run", plan, "--check", folder, "--module", module)

# What a module says a region computes is compared with the nodes that it would replace.
network = model([onnx.helper.make_node("Neg", ["x"], ["y"], name="negative")], [("x", [4, 4])], [("y", [4, 4])])
square = rng.uniform(-1, 1, (4, 4)).astype(np.float32)
folder = tool.data("liar_body", network, [square], [-square])
said, plan = build(folder, "liar_body")
expect("dropped region 'liar: positive'" in said and "differs from its nodes" in said, "a warning should name the region")
tool.run("run", plan, "--check", folder, "--module", module)

# At the ends of a profile kernels take other paths than at its optimum: they are compared there, too.
nodes = [
    onnx.helper.make_node("Constant", [], ["axis"], value=onnx.numpy_helper.from_array(np.array(1, np.int64))),
    onnx.helper.make_node("CumSum", ["x", "axis"], ["y"], name="running"),
]
folder = tool.data("liar_ends", model(nodes, [("x", ["rows", 256])], [("y", ["rows", 256])]), [x[:8, :256]], [np.cumsum(x[:8, :256], axis=1)])
cache = tool.build / "liar_ends.timing"


def build_ends(most, keep=False, **environment):
    """What the build says, whose tactic it chose, and what `tenon explain` says of that."""
    if not keep:
        cache.unlink(missing_ok=True)
    said, plan = build(folder, "liar_ends", "--backend", "liar,reference", "--shapes", f"rows=1..8..{most}", "--timing-cache", cache, "-v", **environment)
    explained = tool.run_quiet("explain", plan, "running")
    print(explained, end="")
    return said, tool.chosen(plan)["running"], explained


for end, rows in (("minimum", 1), ("optimum", 8), ("maximum", 64)):
    said, chosen, explained = build_ends(64, LIAR_ROWS=str(rows))
    expect(f"dropped tactic 'copy' of cumsum: at the {end}, [{rows},256]: differs from the reference in " in said,
           f"a warning should say that the tactic is wrong at the {end}, and by how much")
    expect(f"wrong: at the {end}, [{rows},256]: differs" in explained, "explain should say it as well")
    expect(chosen == "reference", f"a tactic that is wrong at the {end} was chosen")

said, chosen, explained = build_ends(64, LIAR_ROWS="none")
expect(chosen == "liar" and "verified against the reference at the minimum, optimum and maximum" in explained, "a right tactic should be chosen")
expect("not compared" not in said + explained, "it was compared everywhere")
said, chosen, explained = build_ends(64, keep=True, LIAR_ROWS="1")
expect(chosen == "liar" and "at the minimum, optimum and maximum" in explained, "what the cache remembers should not be compared again")
remembered = json.loads(cache.read_text())


def forget_ends(node):
    if isinstance(node, dict):
        if "verified" in node:
            expect(set(node["verified"].pop("at")) == {"minimum", "optimum", "maximum"}, "the cache should remember where a tactic was compared")
        for value in node.values():
            forget_ends(value)


forget_ends(remembered)
cache.write_text(json.dumps(remembered))
said, chosen, explained = build_ends(64, keep=True, LIAR_ROWS="1")
expect(chosen == "reference", "what is known of the optimum says nothing about the ends")

# A maximum may be what nobody could compare: that is said, not passed over; so are extents that a tactic does not take.
said, chosen, explained = build_ends(1000000, LIAR_ROWS="none")
gap = "not compared at the maximum, [1000000,256]: its result has 256000000 elements"
expect(chosen == "liar" and gap in said and gap in explained and "at the minimum and optimum" in explained, "a huge maximum should be left out aloud")
said, chosen, explained = build_ends(64, LIAR_ROWS="none", LIAR_REFUSES="1")
expect(chosen == "liar" and "not compared at the minimum, [1,256]: " in explained and "liar does not like this number of rows" in explained,
       "a refusal is no wrong answer")

# The nodes that a region stands for as well: a sum down the columns is what it sums as long as there is one row.
nodes[0] = onnx.helper.make_node("Constant", [], ["axis"], value=onnx.numpy_helper.from_array(np.array(0, np.int64)))
folder = tool.data("liar_columns", model(nodes, [("x", ["rows", 256])], [("y", ["rows", 256])]), [x[:8, :256]], [np.cumsum(x[:8, :256], axis=0)])
said, plan = build(folder, "liar_columns", "--shapes", "rows=1..1..64")
expect("dropped region 'liar: one row': at the maximum, [64,256]: its body differs from its nodes" in said, "a region that is right at the optimum only should go")
tool.run("run", plan, "--check", folder, "--module", module)
print("PASSED")
