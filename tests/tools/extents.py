"""A plan is fast and right with other extents and threads than those that it was timed with: oneDNN would take loops of its reference for weights
that were laid out for others. Extents may come from data sets."""
from harness import BAD_INPUT, OK, TensorProto, helper, main, model, np, numpy_helper, small_network, tensor


def products():
    """Convolutions with windows of one and several, wide and narrow."""
    shapes = [(32, 8, 3), (192, 32, 1), (32, 192, 1), (576, 32, 1), (96, 576, 1), (64, 96, 3)]
    rng = np.random.default_rng(0)
    values = [numpy_helper.from_array((rng.uniform(-1, 1, (out, into, k, k)) / np.sqrt(into * k * k)).astype(np.float32), f"w{i}")
              for i, (out, into, k) in enumerate(shapes)]
    nodes, value = [], "x"
    for i, (_, _, k) in enumerate(shapes):
        nodes.append(helper.make_node("Conv", [value, f"w{i}"], [f"c{i}"], pads=[k // 2] * 4))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        value = f"r{i}"
    return model(nodes, [tensor("x", ["batch", 8, 8, 8])], [tensor(value, None)], values)


def test(harness):
    path, plan = harness.save("products.onnx", products()), harness.work / "products.plan"
    x = np.random.default_rng(1).uniform(-1, 1, (7, 8, 8, 8)).astype(np.float32)
    harness.run(harness.tenon, "build", path, "-o", plan, "--shapes", "batch=1..4..7", "--backend", "onednn,reference", "-q")
    np.save(harness.work / "all.npy", x)
    harness.run(harness.tenon, "run", plan, "--input", f"x={harness.work / 'all.npy'}", "--output-dir", harness.work, "-q")
    whole = np.load(harness.work / "r5.npy")
    for batch, threads in ((1, 0), (3, 0), (5, 0), (7, 0), (4, 1), (3, 1)):
        np.save(harness.work / "some.npy", x[:batch])
        done = harness.run(harness.tenon, "run", plan, "--input", f"x={harness.work / 'some.npy'}", "--output-dir", harness.work, "--threads", threads,
                           environment={"ONEDNN_VERBOSE": "1"})
        slow = [line for line in done.stdout.splitlines() if line.startswith("onednn_verbose") and ",ref:" in line]
        harness.check(f"no reference loops with batch {batch} and {threads or 'all'} threads", not slow, "\n".join(slow))
        some = np.load(harness.work / "r5.npy")
        harness.check(f"the same answers with batch {batch} and {threads or 'all'} threads",
                      some.shape[0] == batch and np.allclose(some, whole[:batch], rtol=1e-4, atol=1e-5), np.abs(some - whole[:batch]).max())


def test_data(harness):
    """build --data takes the extents of all sets, bench --data the inputs of the first."""
    path, plan, folder = harness.save("data.onnx", small_network()), harness.work / "data.plan", harness.work / "data"
    for index, batch in enumerate((3, 1, 5)):
        data = folder / f"test_data_set_{index}"
        data.mkdir(parents=True)
        for kind, name, shape in (("input", "x", (batch, 3, 16, 16)), ("output", "y", (batch, 8))):
            (data / f"{kind}_0.pb").write_bytes(numpy_helper.from_array(np.ones(shape, np.float32), name).SerializeToString())
    harness.run(harness.tenon, "build", path, "-o", plan, "--data", folder, "-q")
    harness.says("the extents of all data sets", harness.run(harness.tenon, "inspect", plan, "--graph"), "[1..5] opt 3")
    for model in (plan, path):
        done = harness.run(harness.tenon, "bench", model, "--data", folder, "--iterations", 1, "--duration", 0, "--warm-up", 0)
        harness.says(f"the inputs of the first data set, {model.suffix}", done, "x 3x3x16x16")
    for names, fits in ((("image",), False), (("",), True)):
        other = harness.work / f"of-{names[0] or 'nobody'}" / "test_data_set_0"
        other.mkdir(parents=True)
        for index, name in enumerate(names):
            (other / f"input_{index}.pb").write_bytes(numpy_helper.from_array(np.ones((2, 3, 16, 16), np.float32), name).SerializeToString())
        (other / "output_0.pb").write_bytes(numpy_helper.from_array(np.ones((2, 8), np.float32), "y").SerializeToString())
        done = harness.run(harness.tenon, "build", path, "-o", harness.work / "of.plan", "--data", other.parent, "--level", 0, code=OK if fits else BAD_INPUT)
        if not fits:
            harness.says("data of another model", done, "--data: 'test_data_set_0' has the inputs image; the model takes x")
    harness.says("extents by position, of data without names", harness.run(harness.tenon, "inspect", harness.work / "of.plan", "--graph"), "[2..2] opt 2")
    harness.says("a folder that is none", harness.run(harness.tenon, "bench", path, "--data", harness.work / "none", code=BAD_INPUT), "is no folder")


def test_cut(harness):
    """What is left of a dimension behind where a slice begins is largest where the slice begins first: no extents are all at their maxima."""
    ends = [numpy_helper.from_array(np.array([value]), name) for name, value in (("end", 24), ("axis", 1))]
    path = harness.save("cut.onnx", model([helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Slice", ["r", "line", "end", "axis"], ["y"])],
                                          [tensor("x", [4, 24]), tensor("line", [1], TensorProto.INT64)], [tensor("y", None)], ends))
    x = np.random.default_rng(1).uniform(-1, 1, (4, 24)).astype(np.float32)
    for index, line in enumerate((4, 0, 8)):
        harness.save_data("cut", index, {"x": x, "line": np.array([line])}, {"y": np.maximum(x, 0)[:, line:]})
    for backend in ("cpu,reference", "reference"):
        plan = harness.work / "cut.plan"
        harness.run(harness.tenon, "build", path, "-o", plan, "--data", harness.work / "cut", "--backend", backend, "-q")
        harness.says(f"a slice that begins where an input says, by {backend}", harness.run(harness.tenon, "run", plan, "--check", harness.work / "cut"), "PASSED")


if __name__ == "__main__":
    main(lambda harness: (test(harness), test_data(harness), test_cut(harness)))
