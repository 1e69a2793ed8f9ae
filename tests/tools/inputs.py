#!/usr/bin/env python3
"""What tools compute on where nobody brings inputs: values of every type, random where they index nothing, and the plan's own where values are shapes."""
import json

from harness import BAD_INPUT, TensorProto, helper, main, model, np, numpy_helper, tensor

FLOATS = {"f32": TensorProto.FLOAT, "f64": TensorProto.DOUBLE, "f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
WHOLE = {"i8": TensorProto.INT8, "u8": TensorProto.UINT8, "i32": TensorProto.INT32, "i64": TensorProto.INT64, "bool": TensorProto.BOOL}


def test(t):
    types = {**FLOATS, **WHOLE}
    copies = t.save("copies.onnx", model([helper.make_node("Identity", [name], [f"{name}_out"]) for name in types], [tensor(name, [64, 16], kind) for name, kind in types.items()],
                                         [tensor(f"{name}_out", [64, 16], kind) for name, kind in types.items()]))
    t.run(t.tenon, "run", copies, "--output-dir", t.work, "--level", 0)
    for name in types:
        values = np.load(t.work / f"{name}_out.npy").astype(np.float64)
        if name in FLOATS:
            t.check(f"random numbers of {name} in [-1, 1]", abs(values).max() <= 1 and values.min() < -0.9 and values.max() > 0.9 and abs(values.mean()) < 0.1, values)
            t.check(f"random numbers of {name} differ", np.unique(values).size > 100, values)
        elif name in ("i32", "i64"):
            t.check(f"numbers of {name} are indices of every table", not values.any(), values)
        else:
            t.check(f"random numbers of {name} are zeros and ones", set(values.ravel()) == {0, 1} and 0.3 < values.mean() < 0.7, values)
    t.run(t.trtexec, f"--onnx={copies}", "--builderOptimizationLevel=0", "--iterations=1", "--duration=0", "--warmUp=0", f"--exportOutput={t.work / 'out.json'}")
    dumped = {each["name"]: each["values"] for each in json.loads((t.work / "out.json").read_text())}
    t.check("trtexec computes on the same", all(np.allclose(dumped[f"{name}_out"], np.load(t.work / f"{name}_out.npy").ravel().astype(np.float64), atol=1e-5) for name in types), dumped)

    # A table of one entry, as RoBERTa has for its types of tokens
    table = model([helper.make_node("Gather", ["table", "ids"], ["y"])], [tensor("ids", [1, 32], TensorProto.INT64)], [tensor("y", None)], [numpy_helper.from_array(np.ones((1, 8), np.float32), "table")])
    table = t.save("table.onnx", table)
    t.run(t.tenon, "run", table, "--level", 0)
    t.run(t.tenon, "bench", table, "--level", 0, "--iterations", 1, "--duration", 0, "--warm-up", 0)
    t.run(t.trtexec, f"--onnx={table}", "--builderOptimizationLevel=0", "--iterations=1", "--duration=0", "--warmUp=0")

    # Values that are shapes: the best ones of the plan's profile.
    wish = model([helper.make_node("Reshape", ["x", "wish"], ["y"], name="reshape")], [tensor("x", [6, 4]), tensor("wish", [2], TensorProto.INT64)], [tensor("y", None)])
    folder = t.work / "wishes" / "test_data_set_0"
    folder.mkdir(parents=True)
    for kind, i, array in (("input", 0, np.zeros((6, 4), np.float32)), ("input", 1, np.array([3, 8], np.int64)), ("output", 0, np.zeros((3, 8), np.float32))):
        (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(array, {"input": ("x", "wish"), "output": ("y",)}[kind][i]).SerializeToString())
    t.run(t.tenon, "build", t.save("wish.onnx", wish), "-o", t.work / "wish.plan", "--data", folder, "--level", 0)
    t.says("an input whose values are shapes", t.run(t.tenon, "run", t.work / "wish.plan"), "y: f32 3x8")

    # Inputs of another type
    np.save(t.work / "double.npy", np.zeros((6, 4), np.float64))
    np.save(t.work / "wish.npy", np.array([3, 8], np.int64))
    for what, words in (("plan", (t.tenon, "run", t.work / "wish.plan", "--input", f"x={t.work / 'double.npy'}", "--input", f"wish={t.work / 'wish.npy'}")),
                        ("model", (t.tenon, "run", t.work / "wish.onnx", "--input", f"x={t.work / 'double.npy'}", "--input", f"wish={t.work / 'wish.npy'}")),
                        ("plan of trtexec", (t.trtexec, f"--loadEngine={t.work / 'wish.plan'}", f"--loadInputs=x:{t.work / 'double.npy'}"))):
        t.says(f"elements of another type for a {what}", t.run(*words, code=BAD_INPUT), "input 'x' has elements of f64, the ", " takes f32; convert the file (numpy: x.astype('float32'))")


main(test)
