#include "backends/cpu/embedding.h"

#include "backends/common/embedding.h"
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace tenon::cpu {

namespace {

struct Addend {
    size_t port = 0; // table or tensor
    int32_t indices = -1;
    bool wide = true;   // indices of 64 bits
    int64_t extent = 0; // rows of the table
    Dims strides;       // in rows or indices
};

struct Rows {
    TnDataType type = TN_F32;
    Dims dims; // leading ones of the sum
    int64_t count = 0;
    int64_t length = 0;
    std::vector<Addend> addends;
    bool normalizes = false;
    bool centers = false;
    float epsilon = 0;
    int32_t scale = -1;
    int32_t bias = -1;
    int32_t sum = -1;
    int32_t result = -1;
    int threads = 1;
};

// The row that an addend has for row `row` of the sum; -1: an index outside the table.
int64_t rowOf(const Addend& addend, const Rows& rows, const Buffers& b, int64_t row) {
    int64_t at = 0;
    for (size_t d = rows.dims.size(); d-- > 0;) {
        at += row % rows.dims[d] * addend.strides[d];
        row /= rows.dims[d];
    }
    if (addend.indices < 0) {
        return at;
    }
    const auto port = static_cast<size_t>(addend.indices);
    int64_t index = addend.wide ? b.in<int64_t>(port)[at] : b.in<int32_t>(port)[at];
    index += index < 0 ? addend.extent : 0;
    return index < 0 || index >= addend.extent ? -1 : index;
}

Code run(const Rows& rows, const Buffers& b) {
    const int64_t length = rows.length;
    auto* const floats = static_cast<float*>(b.workspace);
    const auto parameter = [&](int32_t port, float* scratch) {
        return port < 0 ? nullptr : readRow(rows.type, b.inputs[port], 0, length, scratch);
    };
    const float* const scale = parameter(rows.scale, floats);
    const float* const bias = parameter(rows.bias, floats + length);
    const auto addends = static_cast<int64_t>(rows.addends.size());
    const int64_t team = teamFor(rows.threads, rows.count, (addends + 4) * length / 8 + 1);
    std::atomic<int64_t> bad{-1};
    parallelTeam(team, rows.count, [&](int64_t member, int64_t begin, int64_t end) {
        const RowTable& table = rowTable();
        float* const own = floats + (2 + 3 * member) * length;
        for (int64_t row = begin; row < end; ++row) {
            float* to = own;
            bool fits = true;
            for (size_t i = 0; i < rows.addends.size() && fits; ++i) {
                const int64_t from = rowOf(rows.addends[i], rows, b, row);
                fits = from >= 0;
                if (!fits) {
                    break;
                }
                const float* const x =
                    readRow(rows.type, b.inputs[rows.addends[i].port], from * length, length, own + length);
                if (i == 0) {
                    std::copy(x, x + length, to);
                } else {
                    table.addInto(to, x, length);
                }
            }
            if (!fits) {
                bad.store(row, std::memory_order_relaxed);
                return;
            }
            if (rows.sum >= 0) {
                float* const sum = targetRow(rows.type, b.outputs[rows.sum], row * length, own + length);
                std::copy(to, to + length, sum);
                finishRow(rows.type, b.outputs[rows.sum], row * length, length, sum);
            }
            if (!rows.normalizes) {
                continue;
            }
            float mean = 0;
            const float variance = rows.centers ? table.variance(to, length, &mean)
                                                : table.sumOfSquares(to, 0, length) / static_cast<float>(length);
            const float factor = 1.0F / std::sqrt(variance + rows.epsilon);
            float* const result = targetRow(rows.type, b.outputs[rows.result], row * length, own + 2 * length);
            table.normalize(to, mean, factor, scale, bias, result, length);
            finishRow(rows.type, b.outputs[rows.result], row * length, length, result);
        }
    });
    if (const int64_t row = bad.load(); row >= 0) {
        return b.reason->invalidArgument("an index for row ", row, " of an embedding is outside its table");
    }
    return Code::kOk;
}

} // namespace

bool isEmbedding(const module::GraphView& body) { return readEmbedding(body).has_value(); }

void checkEmbedding(const Task& task) {
    const std::optional<Embedding> embedding = readEmbedding(task.body);
    const TnDataType type = task.outputs[0].dtype;
    if (!embedding || !contains(kVectorFloats, type)) {
        refuse("an embedding of ", nameOf(type));
    }
    const auto check = [&](int32_t port) {
        if (port >= 0 && task.inputs[static_cast<size_t>(port)].dtype != type) {
            refuse("an embedding of several element types");
        }
    };
    check(embedding->scale);
    check(embedding->bias);
    const int32_t rank = task.body.value(embedding->value).rank();
    const int64_t length = rank < 1 ? -1 : task.body.value(embedding->value).dim(rank - 1).opt;
    for (const EmbeddingAddend& addend : embedding->addends) {
        check(addend.isTable() ? addend.table : addend.tensor);
        const int32_t port = addend.isTable() ? addend.table : addend.tensor;
        const module::ValueView value = task.body.value(task.body.inputs()[static_cast<size_t>(port)]);
        if (value.rank() < 1 || !value.isStatic(value.rank() - 1) || value.dim(value.rank() - 1).opt != length) {
            refuse("an embedding whose addends have rows of several lengths");
        }
        if (addend.isTable()) {
            const TnDataType indices = task.inputs[static_cast<size_t>(addend.indices)].dtype;
            if (indices != TN_I64 && indices != TN_I32) {
                refuse("an embedding with indices of ", nameOf(indices));
            }
        }
    }
}

TaskPlan planEmbedding(const Task& task, const PortShapes& shapes) {
    const Embedding embedding = *readEmbedding(task.body);
    const int32_t shown = embedding.result >= 0 ? embedding.result : embedding.sum;
    const Shape& out = shapes.outputs[static_cast<size_t>(shown)];
    Rows rows;
    rows.type = out.dtype;
    rows.dims.assign(out.dims.begin(), out.dims.end() - 1);
    rows.count = product(rows.dims);
    rows.length = out.dims.back();
    rows.threads = shapes.threads;
    for (const EmbeddingAddend& each : embedding.addends) {
        Addend addend;
        addend.port = static_cast<size_t>(each.isTable() ? each.table : each.tensor);
        addend.indices = each.indices;
        const Shape& shape = shapes.inputs[each.isTable() ? static_cast<size_t>(each.indices) : addend.port];
        Dims leading = shape.dims;
        if (each.isTable()) {
            addend.wide = shape.dtype == TN_I64;
            addend.extent = shapes.inputs[addend.port].dims[0];
        } else {
            leading.pop_back();
        }
        addend.strides = broadcastStrides(leading, rows.dims);
        rows.addends.push_back(std::move(addend));
    }
    rows.normalizes = embedding.norm >= 0;
    if (rows.normalizes) {
        const module::NodeView norm = task.body.node(static_cast<size_t>(embedding.norm));
        rows.centers = norm.op() == "layer_norm";
        rows.epsilon = static_cast<float>(norm.floatOr("epsilon", 1e-5));
    }
    rows.scale = embedding.scale;
    rows.bias = embedding.bias;
    rows.sum = embedding.sum;
    rows.result = embedding.result;
    TaskPlan result;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        result.inputPorts.push_back(static_cast<int32_t>(i));
    }
    for (size_t o = 0; o < shapes.outputs.size(); ++o) {
        result.outputPorts.push_back(static_cast<int32_t>(o));
    }
    result.plan.workspace =
        (2 + 3 * static_cast<int64_t>(shapes.threads)) * rows.length * static_cast<int64_t>(sizeof(float));
    result.plan.run = [rows](const Buffers& b) { return run(rows, b); };
    return result;
}

} // namespace tenon::cpu
