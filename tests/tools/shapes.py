#!/usr/bin/env python3
"""Shapes that a plan does not take: one text and one exit code, whichever way they come."""
import re

from harness import USAGE, WRONG, helper, main, model, np, numpy_helper, small_network, tensor

QUICK = ("--iterations", 1, "--duration", 0, "--warm-up", 0)


def message(done):
    """Without the mark of the tool and the advice behind it."""
    (line,) = re.findall(r"^(?:error:|\[E\]) (.*)$", done.stderr, re.MULTILINE)
    return line


def data_set(folder, shape):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    for kind, name, dims in (("input", "x", shape), ("output", "y", (shape[0], 8))):
        (data / f"{kind}_0.pb").write_bytes(numpy_helper.from_array(np.ones(dims, np.float32), name).SerializeToString())
    return folder


def test(t):
    onnx_file, plan = t.save("small.onnx", small_network()), t.work / "small.plan"
    t.run(t.tenon, "build", onnx_file, "-o", plan, "--shapes", "batch=1..2..4", "--level", 0)
    for shape, wanted in (((9, 3, 16, 16), "input 'x' 9x3x16x16 is outside 1x3x16x16 to 4x3x16x16, the range of the plan: dimension 0 ('batch') is 9, not 1 to 4. "),
                          ((2, 4, 16, 16), "input 'x' 2x4x16x16 is outside 1x3x16x16 to 4x3x16x16, the range of the plan: dimension 1 is 4, not 3. "),
                          ((3, 16, 16), "input 'x' has 4 extents, [batch=1..4, 3, 16, 16]; 3x16x16 has 3")):
        name = "x".join(map(str, shape))
        array, folder = t.work / f"{name}.npy", data_set(t.work / name, shape)
        np.save(array, np.zeros(shape, np.float32))
        ways = {(t.tenon, "run", plan, "--shapes", f"x={name}"), (t.tenon, "run", plan, "--input", f"x={array}"), (t.tenon, "run", plan, "--check", folder),
                (t.tenon, "bench", plan, "--shapes", f"x={name}", *QUICK), (t.tenon, "bench", plan, "--data", folder, *QUICK),
                (t.tenon, "run", onnx_file, "--shapes", "batch=1..2..4", "--input", f"x={array}"),
                (t.trtexec, f"--loadEngine={plan}", f"--shapes=x:{name}"), (t.trtexec, f"--loadEngine={plan}", f"--loadInputs=x:{array}"),
                (t.trtexec, f"--onnx={onnx_file}", "--minShapes=batch:1", "--optShapes=batch:2", "--maxShapes=batch:4", f"--shapes=x:{name}")}
        said = {message(t.run(*way, code=USAGE)) for way in ways}
        t.check(f"one text for {name}", len(said) == 1 and next(iter(said)).startswith(wanted), said)

    # What cannot be a shape of the input at all is said before the build.
    for name, wanted in (("2x4", "[batch, 3, 16, 16]; 2x4 has 2"), ("2x4x16x16", "[batch, 3, 16, 16]; in 2x4x16x16 dimension 1 is not 3")):
        t.says(f"a build for {name}", t.run(t.tenon, "build", onnx_file, "-o", t.work / "p", "--shapes", f"x={name}", code=USAGE), f"input 'x' has 4 extents, {wanted}")

    # Extents of one name, and extents of several that must be equal.
    pair = model([helper.make_node("Add", ["p", "q"], ["y"])], [tensor("p", ["N", 3]), tensor("q", ["N", 3])], [tensor("y", None)])
    t.run(t.tenon, "build", t.save("pair.onnx", pair), "-o", t.work / "pair.plan", "--shapes", "N=1..2..4", "--level", 0)
    for name, extent in (("p", 2), ("q", 3)):
        np.save(t.work / f"{name}.npy", np.zeros((extent, 3), np.float32))
    files = ("--input", f"p={t.work / 'p.npy'}", "--input", f"q={t.work / 'q.npy'}")
    for way in (files, ("--shapes", "p=2x3", "--shapes", "q=3x3")):
        t.says("two numbers for one name", t.run(t.tenon, "run", t.work / "pair.plan", *way, code=USAGE), "extent 'N' is 2 by input 'p' and 3 by input 'q', and is one number wherever it stands")
    for name, nodes, p, q, wanted in (("product", helper.make_node("MatMul", ["p", "q"], ["y"], name="product"), [2, "K"], ["J", 3], ("inner extents differ", "'p' [2, K=4], 'q' [J=5, 3]")),
                                      ("pieces", helper.make_node("Concat", ["p", "q"], ["y"], name="pieces", axis=1), ["K", 3], ["J", 3], ("'p' [K=4, 3], 'q' [J=5, 3]",)),
                                      ("sum", helper.make_node("Add", ["p", "q"], ["y"], name="sum"), ["K", 3], ["J", 3], ("extent 4 of 'p' (K) meets extent 5 of 'q' (J)",))):
        path = t.save(f"{name}.onnx", model([nodes], [tensor("p", p), tensor("q", q)], [tensor("y", None)]))
        said = t.run(t.tenon, "build", path, "-o", t.work / "p", "--shapes", "K=1..4..8", "--shapes", "J=2..5..9", code=WRONG)
        t.says(f"extents of a {name} that must be equal and have two names", said, f"the operands of {name}", "extents" if name == "sum" else "Extents", *wanted)
        t.run(t.tenon, "build", path, "-o", t.work / "p", "--shapes", "K=1..4..8", "--shapes", "J=1..4..8")

    # Extents that are equal, and whose names the model does not say so of.
    twins = model([helper.make_node("Shape", ["p"], ["s"]), helper.make_node("Gather", ["s", "first"], ["n"]), helper.make_node("Sub", ["n", "one"], ["last"]),
                   helper.make_node("Gather", ["q", "last"], ["y"], name="row")], [tensor("p", ["N", 3]), tensor("q", ["M", 3])], [tensor("y", None)],
                  [numpy_helper.from_array(np.array([0], np.int64), "first"), numpy_helper.from_array(np.array([1], np.int64), "one")])
    path = t.save("twins.onnx", twins)
    said = t.run(t.tenon, "build", path, "-o", t.work / "twins.plan", "--shapes", "N=1..2..4", "--level", 0)
    t.says("an extent that nobody gives beside one that somebody gives", said, "the plan takes 1 for them, q=1x3. Where the M of 'q' is to be equal to N of 'p', which has a range, give the same: --shapes M=1..2..4")
    for text, wanted in (("N=", "shape '': an extent is missing; extents have an x between them"), ("p=1x", "shape '1x': an extent is missing"), ("p=ax3", "shape 'ax3': 'a' is no whole number"), ("N=many", "shape 'many': that is no whole number"),
                         ("N=-1", "shape '-1': that is negative"), ("p=-1x3", "shape '-1x3': '-1' is negative; extents"), ("p=99999999999999999999x3", "shape '99999999999999999999x3': '99999999999999999999' is too large"),
                         ("p=-99999999999999999999x3", "is negative"), ("p=99999999999999999999ax3", "is no whole number"), ("p=3.5x3", "'3.5' is no whole number"),
                         ("N=1..2", "shape '1..2': give an extent as N or as MIN..OPT..MAX"), ("N=4..2..1", "shape '4..2..1': MIN..OPT..MAX must rise, and 4..2..1 does not")):
        t.says(f"the shape {text}", t.run(t.tenon, "build", path, "-o", t.work / "p", "--shapes", text, code=USAGE), wanted)
    three = model([helper.make_node("Sum", ["p", "q", "r"], ["y"])], [tensor(name, ["N", 3]) for name in "pqr"], [tensor("y", None)])
    said = t.run(t.tenon, "build", t.save("three.onnx", three), "-o", t.work / "p", "--level", 0)
    t.check("extents that nobody gives are one warning", re.findall("^warning: the model.*", said.stderr, re.MULTILINE) == ["warning: the model leaves extents open that no --shapes gives: the plan takes 1 for them, p=1x3, q=1x3, r=1x3"], said)
    t.says("a run with unequal ones", t.run(t.tenon, "run", t.work / "twins.plan", code=USAGE), "outside an axis", "N=2 and M=1 have names of their own", "(--shapes N=2 --shapes M=2)")
    t.run(t.tenon, "build", path, "-o", t.work / "twins.plan", "--shapes", "N=1..2..4", "--shapes", "M=1..2..4", "--level", 0)
    t.run(t.tenon, "run", t.work / "twins.plan", "--shapes", "N=3", "--shapes", "M=3")


main(test)
