// layer_norm, rms_norm, instance_norm, group_norm, batch_norm, lrn, lp_norm. Statistics in double, in two passes.
#include "backends/common/parallel.h"
#include "backends/common/strided.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>

namespace tenon::reference {

namespace {

// Normalises blocks of neighbouring elements, then scales and shifts: what layer, rms, instance and group norm have in common.
// `dims` is the input seen in the way that scale and bias broadcast to; `blockRank` of its last dimensions make a block.
struct Blocks {
    Dims dims;
    size_t blockRank;
    bool center;
    double epsilon;
    Dims scaleStrides; // empty: none
    Dims biasStrides;
};

Plan planBlocks(const Call& call, const Blocks& blocks) {
    const size_t outerRank = blocks.dims.size() - blocks.blockRank;
    const int64_t outer = product(blocks.dims, 0, outerRank);
    const int64_t length = product(blocks.dims, outerRank, blocks.dims.size());
    const Dims strides = rowMajorStrides(blocks.dims);
    // Which block an element belongs to, as one more operand.
    const Dims outerStrides =
        rowMajorStrides(Dims(blocks.dims.begin(), blocks.dims.begin() + static_cast<int64_t>(outerRank)));
    Dims blockStrides(blocks.dims.size(), 0);
    std::copy(outerStrides.begin(), outerStrides.end(), blockStrides.begin());
    const bool hasScale = !blocks.scaleStrides.empty();
    const bool hasBias = !blocks.biasStrides.empty();
    const Dims none(blocks.dims.size(), 0);
    const StridedLoop loop = collapse(blocks.dims, {strides, blockStrides, hasScale ? blocks.scaleStrides : none,
                                                    hasBias ? blocks.biasStrides : none});
    const TnDataType type = call.in(0).dtype;
    const TnDataType scaleType = hasScale ? call.in(1).dtype : type;
    const TnDataType biasType = hasBias ? call.in(2).dtype : type;
    const int threads = call.threads();
    const bool center = blocks.center;
    const double epsilon = blocks.epsilon;
    Plan plan;
    plan.workspace = 2 * outer * static_cast<int64_t>(sizeof(double));
    plan.run = [=](const Buffers& b) {
        if (outer * length == 0) {
            return Code::kOk;
        }
        auto* means = static_cast<double*>(b.workspace);
        double* factors = means + outer;
        parallelFor(threads, outer, 1 + 8192 / length, [&](int64_t begin, int64_t end) {
            double x[kChunk];
            for (int64_t block = begin; block < end; ++block) {
                double sum = 0;
                for (int64_t i = 0; center && i < length; i += kChunk) {
                    const int64_t n = std::min(kChunk, length - i);
                    loadFloats(type, b.inputs[0], block * length + i, 1, n, x);
                    for (int64_t k = 0; k < n; ++k) {
                        sum += x[k];
                    }
                }
                const double mean = sum / static_cast<double>(length);
                double squares = 0;
                for (int64_t i = 0; i < length; i += kChunk) {
                    const int64_t n = std::min(kChunk, length - i);
                    loadFloats(type, b.inputs[0], block * length + i, 1, n, x);
                    for (int64_t k = 0; k < n; ++k) {
                        squares += (x[k] - mean) * (x[k] - mean);
                    }
                }
                means[block] = mean;
                factors[block] = 1 / std::sqrt(squares / static_cast<double>(length) + epsilon);
            }
        });
        const int64_t row = loop.rowLength();
        parallelFor(threads, loop.rows(), 1 + 8192 / row, [&](int64_t begin, int64_t end) {
            double x[kChunk];
            double scale[kChunk];
            double bias[kChunk];
            forRows<4>(loop, begin, end, [&](const int64_t* offsets) {
                for (int64_t i = 0; i < row; i += kChunk) {
                    const int64_t n = std::min(kChunk, row - i);
                    loadFloats(type, b.inputs[0], offsets[0] + i, 1, n, x);
                    if (hasScale) {
                        loadFloats(scaleType, b.inputs[1], offsets[2] + i * loop.rowStride(2), loop.rowStride(2), n,
                                   scale);
                    }
                    if (hasBias) {
                        loadFloats(biasType, b.inputs[2], offsets[3] + i * loop.rowStride(3), loop.rowStride(3), n,
                                   bias);
                    }
                    for (int64_t k = 0; k < n; ++k) {
                        const int64_t block = offsets[1] + (i + k) * loop.rowStride(1);
                        const double normal = (x[k] - means[block]) * factors[block];
                        x[k] = normal * (hasScale ? scale[k] : 1.0) + (hasBias ? bias[k] : 0.0);
                    }
                    storeFloats(type, x, n, b.outputs[0], offsets[0] + i);
                }
            });
        });
        return Code::kOk;
    };
    return plan;
}

Plan planTrailing(const Call& call, bool center) {
    const Dims& dims = call.in(0).dims;
    if (dims.empty()) {
        invalid(call.op(), " of a scalar");
    }
    const int64_t axis = call.axis("axis", -1, dims.size());
    Blocks blocks{dims, dims.size() - static_cast<size_t>(axis), center, call.floatOr("epsilon", 1e-5), {}, {}};
    if (call.has(1)) {
        blocks.scaleStrides = broadcastStrides(call.in(1).dims, dims);
    }
    if (call.has(2)) {
        blocks.biasStrides = broadcastStrides(call.in(2).dims, dims);
    }
    return planBlocks(call, blocks);
}
Plan planLayer(const Call& call) { return planTrailing(call, true); }
Plan planRms(const Call& call) { return planTrailing(call, false); }

// Scale and bias of group norm come per channel, or (op set 18 of ONNX) per group; of instance norm per channel.
Plan planGroups(const Call& call, int64_t groups) {
    const Dims& dims = call.in(0).dims;
    if (dims.size() < 2 || groups < 1 || dims[1] % groups != 0) {
        invalid(call.op(), " of shape ", shapeText(dims), " in ", groups, " groups");
    }
    const int64_t perGroup = dims[1] / groups;
    Blocks blocks{
        {dims[0], groups, perGroup, product(dims, 2, dims.size())}, 2, true, call.floatOr("epsilon", 1e-5), {}, {}};
    const auto strides = [&](size_t input) -> Dims {
        const int64_t elements = call.in(input).elements;
        if (elements == dims[1]) {
            return {0, perGroup, 1, 0};
        }
        if (elements != groups) {
            invalid(call.op(), ": input ", input, " has ", elements, " elements for ", dims[1], " channels in ", groups,
                    " groups");
        }
        return {0, 1, 0, 0};
    };
    blocks.scaleStrides = strides(1);
    blocks.biasStrides = strides(2);
    return planBlocks(call, blocks);
}
Plan planGroup(const Call& call) { return planGroups(call, call.intOr("groups", 1)); }
Plan planInstance(const Call& call) {
    const Dims& dims = call.in(0).dims;
    if (dims.size() < 2) {
        invalid("instance_norm of shape ", shapeText(dims));
    }
    return planGroups(call, dims[1]);
}

Plan planBatch(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const int64_t channels = dims.size() < 2 ? 1 : dims[1];
    const int64_t inner = dims.size() < 2 ? 1 : product(dims, 2, dims.size());
    TnDataType types[5];
    for (size_t i = 0; i < 5; ++i) {
        types[i] = call.in(i).dtype;
        if (i > 0 && call.in(i).elements != channels) {
            invalid("batch_norm: input ", i, " has ", call.in(i).elements, " elements for ", channels, " channels");
        }
    }
    const double epsilon = call.floatOr("epsilon", 1e-5);
    const int64_t planes = inner == 0 ? 0 : call.in(0).elements / inner;
    const int threads = call.threads();
    return {[=, scaleType = types[1], biasType = types[2], meanType = types[3], varType = types[4],
             type = types[0]](const Buffers& b) {
        parallelFor(threads, planes, 1 + 8192 / (inner + 1), [&](int64_t begin, int64_t end) {
            double x[kChunk];
            for (int64_t plane = begin; plane < end; ++plane) {
                double scale = 0;
                double bias = 0;
                double mean = 0;
                double variance = 0;
                loadFloats(scaleType, b.inputs[1], plane % channels, 1, 1, &scale);
                loadFloats(biasType, b.inputs[2], plane % channels, 1, 1, &bias);
                loadFloats(meanType, b.inputs[3], plane % channels, 1, 1, &mean);
                loadFloats(varType, b.inputs[4], plane % channels, 1, 1, &variance);
                const double factor = scale / std::sqrt(variance + epsilon);
                for (int64_t i = 0; i < inner; i += kChunk) {
                    const int64_t n = std::min(kChunk, inner - i);
                    loadFloats(type, b.inputs[0], plane * inner + i, 1, n, x);
                    for (int64_t k = 0; k < n; ++k) {
                        x[k] = (x[k] - mean) * factor + bias;
                    }
                    storeFloats(type, x, n, b.outputs[0], plane * inner + i);
                }
            }
        });
        return Code::kOk;
    }};
}

// x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta
Plan planLrn(const Call& call) {
    const Dims& dims = call.in(0).dims;
    if (dims.size() < 2) {
        invalid("lrn of shape ", shapeText(dims));
    }
    const double alpha = call.floatOr("alpha", 1e-4);
    const double beta = call.floatOr("beta", 0.75);
    const double bias = call.floatOr("bias", 1);
    const int64_t size = call.intOr("size", 1);
    const int64_t channels = dims[1];
    const int64_t inner = product(dims, 2, dims.size());
    const TnDataType type = call.in(0).dtype;
    const int64_t elements = call.in(0).elements;
    if (size < 1) {
        invalid("lrn over ", size, " channels");
    }
    return {[=](const Buffers& b) {
        for (int64_t i = 0; i < elements; ++i) {
            const int64_t channel = i / inner % channels;
            const int64_t first = std::max<int64_t>(channel - (size - 1) / 2, 0);
            const int64_t last = std::min(channel + size / 2, channels - 1);
            double squares = 0;
            double x = 0;
            for (int64_t c = first; c <= last; ++c) {
                loadFloats(type, b.inputs[0], i + (c - channel) * inner, 1, 1, &x);
                squares += x * x;
            }
            loadFloats(type, b.inputs[0], i, 1, 1, &x);
            x /= std::pow(bias + alpha / static_cast<double>(size) * squares, beta);
            storeFloats(type, &x, 1, b.outputs[0], i);
        }
        return Code::kOk;
    }};
}

// x divided by the norm of its slice; a slice of zeros stays zero.
Plan planLp(const Call& call) {
    const Dims& dims = call.in(0).dims;
    if (dims.empty()) {
        invalid("lp_norm of a scalar");
    }
    const auto at = static_cast<size_t>(call.axis("axis", -1, dims.size()));
    const auto p = static_cast<double>(call.intOr("p", 2));
    const int64_t length = dims[at];
    const int64_t inner = product(dims, at + 1, dims.size());
    const int64_t slices = length == 0 ? 0 : call.in(0).elements / length;
    const TnDataType type = call.in(0).dtype;
    Plan plan;
    plan.workspace = length * static_cast<int64_t>(sizeof(double));
    plan.run = [=](const Buffers& b) {
        auto* x = static_cast<double*>(b.workspace);
        for (int64_t slice = 0; slice < slices; ++slice) {
            const int64_t first = slice / inner * length * inner + slice % inner;
            loadFloats(type, b.inputs[0], first, inner, length, x);
            double sum = 0;
            for (int64_t i = 0; i < length; ++i) {
                sum += std::pow(std::fabs(x[i]), p);
            }
            const double norm = std::pow(sum, 1 / p);
            for (int64_t i = 0; i < length; ++i) {
                x[i] = norm == 0 ? 0.0 : x[i] / norm;
            }
            storeFloats(type, x, length, b.outputs[0], first, inner);
        }
        return Code::kOk;
    };
    return plan;
}

// Statistics and factors may be kept in a wider float type than the tensor.
void checkFloats(const module::NodeView& node) {
    for (int32_t i = 1; i < node.inputCount(); ++i) {
        requireType(node, i, kFloats);
    }
}

} // namespace

void addNormalization(KernelTable& table) {
    const auto add = [&](std::string_view op, int32_t least, int32_t most, Plan (*plan)(const Call&)) {
        table.add(
            {.op = op, .minInputs = least, .maxInputs = most, .types = kFloats, .plan = plan, .check = checkFloats});
    };
    add("layer_norm", 1, 3, planLayer);
    add("rms_norm", 1, 2, planRms);
    add("instance_norm", 3, 3, planInstance);
    add("group_norm", 3, 3, planGroup);
    add("batch_norm", 5, 5, planBatch);
    add("lrn", 1, 1, planLrn);
    add("lp_norm", 1, 1, planLp);
}

} // namespace tenon::reference
