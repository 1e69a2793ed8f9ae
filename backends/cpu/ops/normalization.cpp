// instance_norm, group_norm and batch_norm: statistics of contiguous blocks, then one pass over them; lrn; and the rows of the norms of
// trailing_norm.h.
#include "backends/common/parallel.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"
#include "backends/cpu/trailing_norm.h"

#include <cmath>

namespace tenon::cpu {

namespace {

// Small vectors of parameters, converted to floats once per launch.
void readVector(TnDataType type, const void* from, int64_t count, float* to) {
    const float* row = readRow(type, from, 0, count, to);
    if (row != to) {
        std::copy(row, row + count, to);
    }
}

// Channels in groups: statistics per group, scale and bias per channel or per group.
Plan planGroups(const Call& call, int64_t groups) {
    const Dims& dims = call.in(0).dims;
    if (dims.size() < 2 || groups < 1 || dims[1] % groups != 0) {
        invalid(call.op(), " of shape ", shapeText(dims), " in ", groups, " groups");
    }
    const int64_t channels = dims[1];
    const int64_t perGroup = channels / groups;
    const int64_t inner = product(dims, 2, dims.size());
    const int64_t length = perGroup * inner;
    const int64_t blocks = dims[0] * groups;
    const TnDataType type = call.in(0).dtype;
    const TnDataType scaleType = call.in(1).dtype;
    const TnDataType biasType = call.in(2).dtype;
    const int64_t scales = call.in(1).elements;
    const int64_t biases = call.in(2).elements;
    if ((scales != channels && scales != groups) || (biases != channels && biases != groups)) {
        invalid(call.op(), " with ", scales, " scales and ", biases, " biases for ", channels, " channels");
    }
    const float epsilon = static_cast<float>(call.floatOr("epsilon", 1e-5));
    const int threads = call.threads();
    const int64_t team = teamFor(threads, blocks, 6 * length);
    Plan plan;
    plan.workspace = (2 * channels + threads * length) * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        if (blocks * length == 0) {
            return Code::kOk;
        }
        auto* scale = static_cast<float*>(b.workspace);
        float* bias = scale + channels;
        float* scratch = bias + channels;
        readVector(scaleType, b.inputs[1], scales, scale);
        readVector(biasType, b.inputs[2], biases, bias);
        parallelTeam(team, blocks, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& rows = rowTable();
            float* own = scratch + member * length;
            for (int64_t block = begin; block < end; ++block) {
                const float* x = readRow(type, b.inputs[0], block * length, length, own);
                float mean = 0;
                const float variance = rows.variance(x, length, &mean);
                const float factor = 1.0F / std::sqrt(variance + epsilon);
                float* to = targetRow(type, b.outputs[0], block * length, own);
                for (int64_t c = 0; c < perGroup; ++c) {
                    const int64_t group = block % groups;
                    const int64_t channel = group * perGroup + c;
                    const float s = scale[scales == channels ? channel : group];
                    const float t = bias[biases == channels ? channel : group];
                    rows.normalize(x + c * inner, mean, factor * s, nullptr, nullptr, to + c * inner, inner);
                    rows.shift(to + c * inner, t, to + c * inner, inner);
                }
                finishRow(type, b.outputs[0], block * length, length, to);
            }
        });
        return Code::kOk;
    };
    return plan;
}
Plan planGroup(const Call& call) { return planGroups(call, call.intOr("groups", 1)); }
Plan planInstance(const Call& call) {
    const Dims& dims = call.in(0).dims;
    return planGroups(call, dims.size() < 2 ? 1 : dims[1]);
}

Plan planBatch(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const int64_t channels = dims.size() < 2 ? 1 : dims[1];
    const int64_t inner = dims.size() < 2 ? 1 : product(dims, 2, dims.size());
    std::array<TnDataType, 5> types{};
    for (size_t i = 0; i < 5; ++i) {
        types[i] = call.in(i).dtype;
        if (i > 0 && call.in(i).elements != channels) {
            invalid("batch_norm: input ", i, " has ", call.in(i).elements, " elements for ", channels, " channels");
        }
    }
    const float epsilon = static_cast<float>(call.floatOr("epsilon", 1e-5));
    const int64_t planes = inner == 0 || channels == 0 ? 0 : call.in(0).elements / inner;
    const int threads = call.threads();
    const int64_t team = teamFor(threads, planes, 3 * inner);
    Plan plan;
    plan.workspace = (4 * channels + threads * inner) * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        auto* factor = static_cast<float*>(b.workspace);
        float* bias = factor + channels;
        float* mean = bias + channels;
        float* variance = mean + channels;
        float* scratch = variance + channels;
        readVector(types[1], b.inputs[1], channels, factor);
        readVector(types[2], b.inputs[2], channels, bias);
        readVector(types[3], b.inputs[3], channels, mean);
        readVector(types[4], b.inputs[4], channels, variance);
        for (int64_t c = 0; c < channels; ++c) {
            factor[c] /= std::sqrt(variance[c] + epsilon);
        }
        parallelTeam(team, planes, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& rows = rowTable();
            float* own = scratch + member * inner;
            for (int64_t plane = begin; plane < end; ++plane) {
                const int64_t c = plane % channels;
                const float* x = readRow(types[0], b.inputs[0], plane * inner, inner, own);
                float* to = targetRow(types[0], b.outputs[0], plane * inner, own);
                rows.normalize(x, mean[c], factor[c], nullptr, nullptr, to, inner);
                rows.shift(to, bias[c], to, inner);
                finishRow(types[0], b.outputs[0], plane * inner, inner, to);
            }
        });
        return Code::kOk;
    };
    return plan;
}

// x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta, some columns of all channels after the other.
Plan planLrn(const Call& call) {
    const Dims& dims = call.in(0).dims;
    const int64_t size = call.intOr("size", 1);
    if (dims.size() < 2 || size < 1) {
        invalid("lrn of shape ", shapeText(dims), " over ", size, " channels");
    }
    constexpr int64_t kStripe = 512;
    const auto alpha = static_cast<float>(call.floatOr("alpha", 1e-4) / static_cast<double>(size));
    const auto beta = static_cast<float>(call.floatOr("beta", 0.75));
    const auto bias = static_cast<float>(call.floatOr("bias", 1));
    const int64_t channels = dims[1];
    const int64_t inner = product(dims, 2, dims.size());
    const int64_t stripes = (inner + kStripe - 1) / kStripe;
    const int64_t items = dims[0] * channels * stripes;
    const TnDataType type = call.in(0).dtype;
    const int threads = call.threads();
    const int64_t team = teamFor(threads, items, std::min(inner, kStripe) * (size + 16) / 8);
    Plan plan;
    plan.workspace = threads * 2 * kStripe * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& rows = rowTable();
            float* squares = static_cast<float*>(b.workspace) + member * 2 * kStripe;
            float* scratch = squares + kStripe;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t channel = item % channels;
                const int64_t block = item / channels / stripes * channels;
                const int64_t column = item / channels % stripes * kStripe;
                const int64_t count = std::min(kStripe, inner - column);
                const auto at = [&](int64_t c) { return (block + c) * inner + column; };
                std::fill(squares, squares + count, 0.0F);
                const int64_t last = std::min(channel + size / 2, channels - 1);
                for (int64_t c = std::max<int64_t>(channel - (size - 1) / 2, 0); c <= last; ++c) {
                    rows.addSquaresInto(squares, readRow(type, b.inputs[0], at(c), count, scratch), count);
                }
                const float* x = readRow(type, b.inputs[0], at(channel), count, scratch);
                float* to = targetRow(type, b.outputs[0], at(channel), squares);
                rows.divideByPower(x, squares, alpha, bias, beta, to, count);
                finishRow(type, b.outputs[0], at(channel), count, to);
            }
        });
        return Code::kOk;
    };
    return plan;
}

void checkFloats(const module::NodeView& node) {
    for (int32_t i = 1; i < node.inputCount(); ++i) {
        requireType(node, i, kVectorFloats);
    }
}

} // namespace

void addNormalization(KernelTable& table) {
    const auto add = [&](std::string_view op, int32_t least, int32_t most, Plan (*plan)(const Call&),
                         void (*check)(const module::NodeView&)) {
        table.add(
            {.op = op, .minInputs = least, .maxInputs = most, .types = kVectorFloats, .plan = plan, .check = check});
    };
    add("layer_norm", 1, 3, planTrailingNorm, checkTrailingNorm);
    add("rms_norm", 1, 2, planTrailingNorm, checkTrailingNorm);
    add("instance_norm", 3, 3, planInstance, checkFloats);
    add("group_norm", 3, 3, planGroup, checkFloats);
    add("batch_norm", 5, 5, planBatch, checkFloats);
    add("lrn", 1, 1, planLrn, checkFloats);
}

} // namespace tenon::cpu
