"""Trains a small digits classifier on scikit-learn's bundled images and writes it as ONNX, with the images that it has not seen.

digits.py FOLDER writes FOLDER/model.onnx (input `image` f32[n, 1, 8, 8] in [0, 1], output `probability` f32[n, 10]), FOLDER/images.f32
and FOLDER/labels.i32 (raw, in the machine's byte order), and prints the accuracy on those images as scikit-learn computes it.
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

FILTERS = 16


def patches(images):
    """All 3x3 patches of zero-padded images: [n, 8, 8, 9]."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    return np.stack([padded[:, y:y + 8, x:x + 8] for y in range(3) for x in range(3)], axis=-1)


def features(images, filters, bias):
    """Convolution, Relu and 2x2 max pooling, in the order that Flatten gives: [n, 16 * 4 * 4]."""
    maps = np.maximum(patches(images) @ filters.T + bias, 0)
    pooled = maps.reshape(-1, 4, 2, 4, 2, FILTERS).max(axis=(2, 4))
    return pooled.transpose(0, 3, 1, 2).reshape(len(images), -1)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    train, test, train_labels, test_labels = train_test_split(images, digits.target, test_size=0.25, random_state=0, stratify=digits.target)

    # The filters are typical patches, of mean zero and length one.
    sample = patches(train).reshape(-1, 9)
    sample = sample - sample.mean(axis=1, keepdims=True)
    sample = sample[np.linalg.norm(sample, axis=1) > 0.5]
    centers = MiniBatchKMeans(FILTERS, random_state=0, n_init=3).fit(sample).cluster_centers_
    filters = (centers / np.linalg.norm(centers, axis=1, keepdims=True)).astype(np.float32)
    bias = np.full(FILTERS, -0.1, np.float32)

    classifier = MLPClassifier((48,), alpha=1e-3, max_iter=400, random_state=0).fit(features(train, filters, bias), train_labels)
    print(f"accuracy {classifier.score(features(test, filters, bias), test_labels):.4f}")

    weights = {"filters": filters.reshape(FILTERS, 1, 3, 3), "bias": bias}
    for i, (coefficients, intercepts) in enumerate(zip(classifier.coefs_, classifier.intercepts_)):
        weights[f"dense{i}.weight"] = coefficients.astype(np.float32)
        weights[f"dense{i}.bias"] = intercepts.astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "filters", "bias"], ["edges"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["edges"], ["edges_relu"], name="conv_relu"),
        helper.make_node("MaxPool", ["edges_relu"], ["pooled"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "dense0.weight", "dense0.bias"], ["hidden"], name="dense0"),
        helper.make_node("Relu", ["hidden"], ["hidden_relu"], name="dense0_relu"),
        helper.make_node("Gemm", ["hidden_relu", "dense1.weight", "dense1.bias"], ["score"], name="dense1"),
        helper.make_node("Softmax", ["score"], ["probability"], name="softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("probability", onnx.TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tenon-examples")
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model.onnx"))
    test.astype(np.float32).tofile(folder / "images.f32")
    test_labels.astype(np.int32).tofile(folder / "labels.i32")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
