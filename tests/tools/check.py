#!/usr/bin/env python3
"""tenon run --check: which tolerance applies, and that each lets right answers through and wrong ones not."""
import json

import numpy as np
from onnx import numpy_helper

from harness import BAD_INPUT, USAGE, WRONG, helper, main, model, quantized_network, small_network, tensor


def test(t):
    def reference(name, inputs, outputs):
        folder = t.work / name / "test_data_set_0"
        folder.mkdir(parents=True, exist_ok=True)
        for kind, arrays in (("input", inputs), ("output", outputs)):
            for i, (tensor, array) in enumerate(arrays.items()):
                (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array, tensor).SerializeToString())
        return folder.parent

    def answers(model, x):
        np.save(t.work / "x.npy", x)
        t.run(t.tenon, "run", model, "--input", f"x={t.work / 'x.npy'}", "--output-dir", t.work)

    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (1, 3, 16, 16)).astype(np.float32)

    exact = t.save("exact.onnx", small_network())
    answers(exact, x)
    y = np.load(t.work / "y.npy")
    done = t.run(t.tenon, "run", exact, "--check", reference("exact", {"x": x}, {"y": y}))
    t.says("floats, element by element", done, "(|a - e| <= 1e-05 + 0.001 |e| everywhere)", "PASSED")
    fixed = t.work / "exact.plan"
    t.run(t.tenon, "build", exact, "-o", fixed)
    other = reference("sets", {"x": x}, {"y": y})
    two = other / "test_data_set_1"
    two.mkdir(exist_ok=True)
    for kind, array in (("input", np.concatenate([x, x])), ("output", np.concatenate([y, y]))):
        (two / f"{kind}_0.pb").write_bytes(numpy_helper.from_array(array, "x" if kind == "input" else "y").SerializeToString())
    t.says("a data set that the plan is not for, beside one that it is for", t.run(t.tenon, "run", fixed, "--check", other, code=WRONG), "test_data_set_0 ok", "test_data_set_1 not run", "FAILED")
    document = json.loads(t.run(t.tenon, "run", fixed, "--check", other, "--json", code=WRONG).stdout)
    t.check("the same as a document", [each["passed"] for each in document["data_sets"]] == [True, False] and "reason" in document["data_sets"][1], document)
    t.says("floats that differ", t.run(t.tenon, "run", exact, "--check", reference("off", {"x": x}, {"y": y * 1.01}), code=WRONG), "WRONG", "compared elements are not within")
    t.says("floats that may differ", t.run(t.tenon, "run", exact, "--check", t.work / "off", "--rtol", 0.1), "+ 0.1 |e| everywhere", "PASSED")

    constants = [helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.float32(number))) for number in (2, 3)]
    twice = t.save("twice.onnx", model([constants[0], helper.make_node("Mul", ["x", "c"], ["y"]), constants[1]], [tensor("x", x.shape)], [tensor("y", x.shape)]))
    done = t.run(t.tenon, "run", twice, "--check", reference("twice", {"x": x}, {"y": x * 3}))
    t.says("of two constants of one name the last one", done, "several constants have one name, as 'c'", "PASSED")

    tiny = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.float32(1e-9)))
    faint = t.save("faint.onnx", model([tiny, helper.make_node("Mul", ["x", "c"], ["y"])], [tensor("x", x.shape)], [tensor("y", x.shape)]))
    done = t.run(t.tenon, "run", faint, "--check", reference("faint", {"x": x}, {"y": np.zeros_like(x)}))
    t.says("nothing is relative to zeros", done, "max rel -, cosine - (", "PASSED")

    quantized = t.save("quantized.onnx", quantized_network())
    answers(quantized, x)
    y, bytes_ = np.load(t.work / "y.npy"), np.load(t.work / "yq.npy")
    step = np.float32(10 / 127)
    nudged = np.where(rng.uniform(size=y.shape) < 0.2, step, 0).astype(np.float32)  # where a half was rounded the other way
    rounded = reference("rounded", {"x": x}, {"y": y + nudged, "yq": (bytes_ + (nudged > 0)).clip(-128, 127).astype(np.int8)})
    done = t.run(t.tenon, "run", quantized, "--check", rounded)
    t.says("a quantized network, as a whole", done, "(quantized: ||a - e|| <= 0.1 ||e||)", "(quantized: 4 steps at most, 1 in the root mean square)", "PASSED")
    t.says("a quantized network, element by element where asked", t.run(t.tenon, "run", quantized, "--check", rounded, "--rtol", 0.001, code=WRONG), "everywhere", "WRONG")
    document = json.loads(t.run(t.tenon, "run", quantized, "--check", rounded, "--json").stdout)
    first = document["data_sets"][0]["outputs"][0]
    t.check("the document says which tolerance", first["tolerance"] == "quantized: ||a - e|| <= 0.1 ||e||" and 0 < first["distance"] < 0.1, first)
    wrong = {"swapped channels": (y[:, ::-1].copy(), bytes_), "another sign": (-y, bytes_), "not a number": (np.where(y == y.max(), np.nan, y).astype(np.float32), bytes_),
             "bytes far apart": (y, np.where(bytes_ == bytes_.max(), -100, bytes_).astype(np.int8)), "all bytes two steps up": (y, (bytes_.astype(int) + 2).clip(-128, 127).astype(np.int8))}
    for name, (reals, integers) in wrong.items():
        t.says(f"a quantized network with {name}", t.run(t.tenon, "run", quantized, "--check", reference(name, {"x": x}, {"y": reals, "yq": integers}), code=WRONG), "WRONG", "FAILED")

    # Data of another model is found before the build, which has begun where its warning of an option without effect is said.
    for what, name, value, wanted in (("elements", "x", np.zeros((2, 3, 16, 16), np.int64), "input 'x' has elements of i64 in 'test_data_set_0', the model takes f32"),
                                      ("a rank", "x", np.zeros((3, 16, 16), np.float32), "3x16x16 has 3"), ("an extent", "x", np.zeros((2, 1, 16, 16), np.float32), "dimension 1 is 1, not 3")):
        folder = t.work / f"other {what}" / "test_data_set_0"
        folder.mkdir(parents=True)
        (folder / "input_0.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
        (folder / "output_0.pb").write_bytes(numpy_helper.from_array(np.zeros((2, 8), np.float32), "y").SerializeToString())
        for verb in (("run", exact, "--check", folder), ("bench", exact, "--data", folder.parent)):
            done = t.run(t.tenon, *verb, "--level", 0, code=BAD_INPUT if what == "elements" else USAGE)
            t.says(f"data with {what} of another model for {verb[0]}", done, wanted)
            t.check(f"{what} of another model before the build", "level 0 timed no kernel" not in done.stderr, done.stderr)


main(test)
