"""A module that a plan opens has to gain 5 %, by its steps or by whole runs: times are written into a timing cache, so that who gains what is known."""
import json

from harness import USAGE, WRONG, TensorProto, helper, main, model, np, numpy_helper, tensor


def network():
    weights = numpy_helper.from_array(np.random.default_rng(0).uniform(-0.1, 0.1, (32, 16, 3, 3)).astype(np.float32), "w")
    return model([helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])], [tensor("x", [1, 16, 24, 24])], [tensor("y", None)], [weights])


def repeated_network():
    """The same, whose answer an input repeats."""
    made = network()
    made.graph.node[0].output[0] = "one"
    made.graph.node.append(helper.make_node("Expand", ["one", "shape"], ["y"], name="repeated"))
    made.graph.input.append(tensor("shape", [4], TensorProto.INT64))
    return made


def write_times(cache, onednn):
    """Conversions take a microsecond, all else 1,000, and oneDNN's that many; nothing has raced. The providers that have any."""
    document = json.loads(cache.read_text())
    providers = set()
    for tasks in document["targets"].values():
        for name in [name for name in tasks if name.startswith("race ")]:
            del tasks[name]
        for task in tasks.values():
            for provider, entry in task.items():
                providers.add(provider)
                for key, record in entry["tactics"].items():
                    if "us" in record:
                        converts = key.startswith(("reorder", "strided copy"))
                        record.update(us=1.0 if converts else float(onednn) if provider == "onednn" else 1000.0, spread=0.0, samples=500)
                        record.pop("disturbed", None)
    cache.write_text(json.dumps(document))
    return providers


def converted_by(cache):
    """Of each conversion that cpu has, who was timed."""
    tasks = [task for tasks in json.loads(cache.read_text())["targets"].values() for task in tasks.values()]
    return [sorted(task) for task in tasks if any(key.startswith("strided copy") for key in task.get("cpu", {"tactics": {}})["tactics"])]


def write_race(cache, with_all, without):
    """Microseconds of whole runs. Whether there was a race."""
    document = json.loads(cache.read_text())
    races = [(name, task) for tasks in document["targets"].values() for name, task in tasks.items() if name.startswith("race ")]
    for name, task in races:
        for key, us in zip(name.split()[1:], (with_all, without)):
            task["plan"]["tactics"][key]["us"] = float(us)
    cache.write_text(json.dumps(document))
    return bool(races)


def test(t):
    onnx_file, cache, plan, replayed = t.save("m.onnx", network()), t.work / "times", t.work / "m.plan", t.work / "replayed.plan"

    def build(*words):
        done = t.run(t.tenon, "build", onnx_file, "-o", plan, "--timing-cache", cache, *words)
        return done, t.run(t.tenon, "inspect", plan).stdout

    build()
    converters = converted_by(cache)
    t.check("the reference converts nothing that others do", converters and not any("reference" in each for each in converters), str(converters))
    if "onednn" not in write_times(cache, 980):
        print("skipped: the module onednn is not here, and without it there is nobody to leave out")
        return
    _, text = build()
    t.check("who gains 2 % is left out", "note: 'onednn' is left out: " in text and "needs module onednn" not in text and "needs module cpu" in text, text)
    t.says("what explain says of a step", t.run(t.tenon, "explain", plan), ", but onednn is left out")
    t.says("what explain says of a tactic", t.run(t.tenon, "explain", plan, "conv"), "its provider is left out of the plan")
    t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan)
    t.check("its replay is the same plan", replayed.read_bytes() == plan.read_bytes())
    _, text = build("--backend", "cpu,onednn,reference")
    t.check("who is named is wanted", "needs module onednn" in text and "left out" not in text, text)
    write_times(cache, 400)
    _, text = build()
    t.check("who gains 150 % stays", "needs module onednn" in text and "'onednn' is left out" not in text, text)
    t.check("without a race", not write_race(cache, 0, 0))
    write_times(cache, 900)
    build()
    t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan)
    t.check("the replay of a build that raced is the same plan", replayed.read_bytes() == plan.read_bytes())
    t.check("who gains 10 % races", write_race(cache, 1000, 1030))
    _, text = build()
    t.check("whole runs leave out who gains 3 %", "'onednn' is left out: whole runs take 1000.0 us with it and 1030.0 without" in text and "needs module onednn" not in text, text)
    t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan)
    t.check("its replay is the same plan, without a race", replayed.read_bytes() == plan.read_bytes())
    write_race(cache, 1000, 1100)
    _, text = build()
    t.check("whole runs keep who gains 10 %", "needs module onednn" in text and "'onednn' is left out" not in text, text)
    t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan)
    t.check("its replay is the same plan, too", replayed.read_bytes() == plan.read_bytes())
    # The input says 4 of 1 to 8, and so it does in a race, whatever test data say.
    for i, count in enumerate((4, 1, 8)):
        t.save_data("repeated", i, {"x": np.zeros((1, 16, 24, 24), np.float32), "shape": np.array([count, 32, 24, 24])}, {"y": np.zeros((count, 32, 24, 24), np.float32)})
    times = t.work / "repeated.times"
    build_repeated = (t.tenon, "build", t.save("repeated.onnx", repeated_network()), "-o", t.work / "repeated.plan", "--data", t.work / "repeated", "--timing-cache", times)
    t.run(*build_repeated)
    write_times(times, 800)
    t.says("a race of plans whose extents an input decides", t.run(*build_repeated, "-v"), "whole runs take")
    t.says("a replay without a module of its plan", t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan, code=WRONG, environment={"TENON_MODULES": "-onednn"}),
           "has tactics of onednn, which may not be used here or is not loaded")
    t.says("a replay with layers held", t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan, "--layer-precision", "conv=f32", code=USAGE), "was built without --layer-precision; leave it out here")


main(test)
