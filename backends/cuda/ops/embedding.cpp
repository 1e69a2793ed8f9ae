#include "backends/cuda/embedding_region.h"

#include "backends/common/embedding.h"
#include "backends/cuda/device_text.h"
#include "backends/cuda/source.h"

#include <algorithm>

namespace tenon::cuda {

namespace {

using kernels::Embedding;
using kernels::EmbeddingAddend;

// Elements of a row that a thread keeps.
constexpr int64_t kMostKept = 32;

int teamOfRows(int64_t length) { return length >= 512 ? 256 : 32; }

int64_t lengthOf(const Task& task, const Embedding& embedding) {
    const module::ValueView sum = task.body.value(embedding.value);
    return sum.rank() < 2 || !sum.isStatic(sum.rank() - 1) ? 0 : sum.dim(sum.rank() - 1).opt;
}

size_t dataPort(const EmbeddingAddend& addend) {
    return static_cast<size_t>(addend.isTable() ? addend.table : addend.tensor);
}

// A class that finds the rows of all addends once, and then gives elements of their sum.
std::string printAddends(const Task& task, const Embedding& embedding) {
    std::string rows;
    std::string members;
    std::string sum;
    for (size_t i = 0; i < embedding.addends.size(); ++i) {
        const EmbeddingAddend& addend = embedding.addends[i];
        const std::string number = std::to_string(i);
        rows += module::text("        I64 at", number, " = offsetAt(row, a.rank, a.dims, a.strides[", number, "]);\n");
        if (addend.isTable()) {
            const TnDataType type = task.inputs[static_cast<size_t>(addend.indices)].dtype;
            rows += module::text("        at", number, " = input<", cudaName(type), ">(ports, a.operands, ", 2 * i + 1,
                                 ")[at", number, "];\n        at", number, " += at", number, " < 0 ? a.extents[",
                                 number, "] : 0;\n");
        }
        rows += module::text("        row", number, " = input<Element>(ports, a.operands, ", 2 * i, ") + at", number,
                             " * LENGTH;\n");
        if (addend.isTable()) {
            rows += module::text("        if (at", number, " < 0 || at", number, " >= a.extents[", number,
                                 "]) {\n            row", number, " = nullptr;\n        }\n");
        }
        members += module::text("    const Element* row", number, ";\n");
        const std::string element = module::text("widen(row", number, "[i])");
        sum += (i == 0 ? "" : " + ") +
               (addend.isTable() ? module::text("(row", number, " != nullptr ? ", element, " : 0.0F)") : element);
    }
    return module::text("class Addends {\npublic:\n    __device__ Addends(const EmbeddingArgs& a, const Ports& ports, "
                        "Index row) {\n",
                        rows, "    }\n    __device__ float at(int i) const { return ", sum, "; }\n\nprivate:\n",
                        members, "};\n");
}

} // namespace

bool isEmbeddingRegion(const module::GraphView& body) { return kernels::readEmbedding(body).has_value(); }

void checkEmbeddingRegion(const Task& task) {
    const std::optional<Embedding> embedding = kernels::readEmbedding(task.body);
    if (!embedding || embedding->addends.size() > kMostAddends) {
        refuse("an embedding of more than ", kMostAddends, " addends");
    }
    const int64_t length = lengthOf(task, *embedding);
    if (length < 1 || length > teamOfRows(length) * kMostKept ||
        task.body.value(embedding->value).rank() - 1 > kTensorDims) {
        refuse("an embedding with rows of ", length, " elements");
    }
    const TnDataType type = task.outputs[0].dtype;
    const auto check = [&](const TnPortFormat& port, const module::ValueView& value, bool isIndex) {
        const bool known = isIndex ? (port.dtype == TN_I64 || port.dtype == TN_I32) && port.dtype == value.dtype()
                                   : port.dtype == type && (type == value.dtype() || value.dtype() == TN_F32) &&
                                         (type == TN_F32 || type == TN_F16 || type == TN_BF16);
        if (!known || !module::isLinear(port.format) || port.format.rank != value.rank()) {
            refuse("an embedding with ", nameOf(value.dtype()), " as ", nameOf(port.dtype), " in the layout ",
                   module::describe(port.format));
        }
    };
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        const bool isIndex =
            std::any_of(embedding->addends.begin(), embedding->addends.end(),
                        [&](const EmbeddingAddend& addend) { return addend.indices == static_cast<int32_t>(i); });
        check(task.inputs[i], task.body.value(task.body.inputs()[i]), isIndex);
    }
    for (size_t o = 0; o < task.outputs.size(); ++o) {
        check(task.outputs[o], task.body.value(task.body.outputs()[o]), false);
    }
    for (const EmbeddingAddend& addend : embedding->addends) {
        const module::ValueView value = task.body.value(task.body.inputs()[dataPort(addend)]);
        const int32_t last = value.rank() - 1;
        if (!value.isStatic(last) || value.dim(last).opt != length) {
            refuse("an embedding whose addends have rows of several lengths");
        }
    }
}

std::string printEmbeddingRegion(const Task& task, bool wideIndex) {
    const Embedding embedding = *kernels::readEmbedding(task.body);
    const int64_t length = lengthOf(task, embedding);
    const int team = teamOfRows(length);
    const auto flag = [](bool on) { return on ? "1" : "0"; };
    Source source(wideIndex);
    source.define("LENGTH", std::to_string(length)).define("ROW_TEAM", std::to_string(team));
    source.define("ROW", std::to_string((length + team - 1) / team));
    source.define("HAS_SUM", flag(embedding.sum >= 0)).define("HAS_NORM", flag(embedding.norm >= 0));
    source.define("HAS_SCALE", flag(embedding.scale >= 0)).define("HAS_BIAS", flag(embedding.bias >= 0));
    source.define("CENTERS", flag(embedding.norm >= 0 &&
                                  task.body.node(static_cast<size_t>(embedding.norm)).op() == "layer_norm"));
    source.type("Element", cudaName(task.outputs[0].dtype));
    source.declare(printAddends(task, embedding));
    return source.text({kEmbeddingText});
}

void planEmbeddingRegion(const Task& task, const PortShapes& shapes, DevicePlan& plan) {
    const Embedding embedding = *kernels::readEmbedding(task.body);
    const int32_t shown = embedding.result >= 0 ? embedding.result : embedding.sum;
    Dims rows = shapes.outputs[static_cast<size_t>(shown)].dims;
    rows.pop_back();
    EmbeddingArgs args{};
    std::fill(std::begin(args.operands.in), std::end(args.operands.in), static_cast<signed char>(-1));
    std::fill(std::begin(args.operands.out), std::end(args.operands.out), static_cast<signed char>(-1));
    for (size_t i = 0; i < embedding.addends.size(); ++i) {
        const EmbeddingAddend& addend = embedding.addends[i];
        const Shape& data = shapes.inputs[dataPort(addend)];
        Dims leading = addend.isTable() ? shapes.inputs[static_cast<size_t>(addend.indices)].dims : data.dims;
        if (addend.isTable()) {
            args.extents[i] = data.dims[0];
        } else {
            leading.pop_back();
        }
        fill(args.strides[i], broadcastStrides(leading, rows), kTensorDims);
        args.operands.in[2 * i] = static_cast<signed char>(dataPort(addend));
        args.operands.in[2 * i + 1] = static_cast<signed char>(addend.indices);
    }
    args.operands.in[kEmbeddingScale] = static_cast<signed char>(embedding.scale);
    args.operands.in[kEmbeddingBias] = static_cast<signed char>(embedding.bias);
    args.operands.out[0] = static_cast<signed char>(embedding.sum);
    args.operands.out[1] = static_cast<signed char>(embedding.result);
    fill(args.dims, rows, kTensorDims);
    args.rank = static_cast<int>(rows.size());
    args.rows = product(rows);
    if (embedding.norm >= 0) {
        args.epsilon = task.body.node(static_cast<size_t>(embedding.norm)).floatOr("epsilon", 1e-5);
    }
    plan.launch("embedding", args.rows * teamOfRows(lengthOf(task, embedding)), args);
}

} // namespace tenon::cuda
