"""Layers that are held to an element type by name: the names, their stars, which of two counts, and what nothing computes here."""
from harness import USAGE, WRONG, main, small_network


def test(t):
    onnx_file, plan = t.save("m.onnx", small_network()), t.work / "m.plan"

    def build(*precisions, code=0):
        words = [word for each in precisions for word in ("--layer-precision", each)]
        return t.run(t.tenon, "build", onnx_file, "-o", plan, "--shapes", "batch=2", "--level", "0", "--fp16", *words, code=code)

    for held in ("conv1=f32", "*=f32", "c*v*=fp32", "conv*1=f32"):
        build(held)
    build("*=f16", "relu1=f16", "*=f32")  # the last one counts
    # Nothing computes in f16 on a host, so that a layer held to it shows who was meant.
    t.says("a layer that nothing computes so", build("conv1=f16", code=WRONG), "no implementation for 1 node", "conv1", "the layer's precision allows f16")
    t.says("layers by a pattern", build("*1=f16", code=WRONG), "no implementation for 2 nodes", "conv1", "relu1")
    t.says("all but one", build("*=f16", "mean=f32", code=WRONG), "no implementation for 2 nodes")
    for none in ("conv=f32", "conv1*1=f32", "*onv*v1=f32", "Conv1=f32"):
        t.says(f"no such layer: {none}", build(none, code=USAGE), f"no layer of floats is called '{none[:-4]}'", "the nearest first: conv1")
    for bad in ("conv1", "=f32", "conv1=f61", "conv1:f32"):
        t.says(f"no precision: {bad}", build(bad, code=USAGE), "expected a layer's name", "f32, f16 or bf16")
    t.says("a plan has its types", t.run(t.tenon, "bench", plan, "--layer-precision", "conv1=f32", code=USAGE), "--layer-precision is for building")

    asked = (t.trtexec, f"--onnx={onnx_file}", "--optShapes=batch:2", "--builderOptimizationLevel=0", "--skipInference", "--layerPrecisions=*:fp16,relu1:fp32")
    t.says("precisions without constraints", t.run(*asked), "--layerPrecisions has no effect", "PASSED")
    t.says("precisions that are preferred", t.run(*asked, "--precisionConstraints=prefer"), "PASSED")
    t.run(*asked[:-1], "--layerPrecisions=conv1:fp32,relu1:fp32,mean:fp32,*:fp16", "--precisionConstraints=obey")  # * is for what no other names
    t.says("precisions that are none", t.run(*asked[:-1], "--layerPrecisions=conv1", code=USAGE), "expected a layer's name")
    t.says("precisions that are obeyed", t.run(*asked, "--precisionConstraints=obey", code=WRONG), "no implementation for 2 nodes")


main(test)
