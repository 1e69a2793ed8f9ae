"""A module that a plan opens has to gain 5 %: times are written into a timing cache, so that who gains what is known."""
import json

from harness import USAGE, helper, main, model, np, numpy_helper, tensor


def network():
    weights = numpy_helper.from_array(np.random.default_rng(0).uniform(-0.1, 0.1, (32, 16, 3, 3)).astype(np.float32), "w")
    return model([helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])], [tensor("x", [1, 16, 24, 24])], [tensor("y", None)], [weights])


def write_times(cache, onednn):
    """Conversions take a microsecond, all else 1,000, and oneDNN's that many. The providers that have any."""
    document = json.loads(cache.read_text())
    providers = set()
    for tasks in document["targets"].values():
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


def test(t):
    onnx_file, cache, plan, replayed = t.save("m.onnx", network()), t.work / "times", t.work / "m.plan", t.work / "replayed.plan"

    def build(*words):
        done = t.run(t.tenon, "build", onnx_file, "-o", plan, "--timing-cache", cache, *words)
        return done, t.run(t.tenon, "inspect", plan).stdout

    build()
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
    write_times(cache, 900)
    _, text = build()
    t.check("who gains 10 % stays", "needs module onednn" in text and "'onednn' is left out" not in text, text)
    t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan)
    t.check("its replay is the same plan, too", replayed.read_bytes() == plan.read_bytes())
    t.says("a replay with layers held", t.run(t.tenon, "build", onnx_file, "-o", replayed, "--replay", plan, "--layer-precision", "conv=f32", code=USAGE), "was built without --layer-precision; leave it out here")


main(test)
