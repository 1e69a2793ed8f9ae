"""Model folders in the layout of the ONNX backend tests: model.onnx and test_data_set_<k> with input_<i>.pb. Inputs that are no files are made as inputs.json
says, the way `tenon run --check` makes them.
"""
import json

import numpy as np
import onnx
from onnx import numpy_helper

MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def sets_of(folder):
    return sorted(folder.glob("test_data_set_*"))


def is_model_folder(path):
    return (path / "model.onnx").exists() and bool(sets_of(path))


def model_folders(path):
    """The folder itself, or those in it."""
    if is_model_folder(path):
        return [path]
    return sorted(folder for folder in path.iterdir() if is_model_folder(folder)) if path.is_dir() else []


def splitmix64(seed, count):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, multiplier in MULTIPLIERS:
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(multiplier)
        return z ^ (z >> np.uint64(31))


def generate(entry):
    shape, dtype = entry["shape"], np.dtype(entry["dtype"])
    if entry["gen"] == "constant":
        return np.full(shape, entry["value"], dtype)
    bits = splitmix64(entry["seed"], int(np.prod(shape)))
    if entry["gen"] == "splitmix64_int":
        low, high = int(entry["lo"]), int(entry["hi"])
        return (low + (bits % np.uint64(high - low + 1)).astype(np.int64)).astype(dtype).reshape(shape)
    low, high = np.float32(entry["lo"]), np.float32(entry["hi"])
    unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return (low + (high - low) * unit).astype(dtype).reshape(shape)


def inputs_of(folder):
    """Arrays by name of the first data set, for the inputs of the model that are no initializers."""
    graph = onnx.load(str(folder / "model.onnx"), load_external_data=False).graph
    initialized = {each.name for each in graph.initializer}
    data = sets_of(folder)[0]
    generated = {entry["index"]: entry for entry in json.loads((data / "inputs.json").read_text())} if (data / "inputs.json").exists() else {}
    feed = {}
    for i, name in enumerate(each.name for each in graph.input if each.name not in initialized):
        file = data / f"input_{i}.pb"
        if file.exists():
            tensor = onnx.TensorProto()
            tensor.ParseFromString(file.read_bytes())
            feed[name] = numpy_helper.to_array(tensor)
        else:
            feed[name] = generate(generated[i])
    return feed
