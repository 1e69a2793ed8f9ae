// matmul_integer and conv_integer: products of bytes less their zero points, summed in 32 bits. dynamic_quantize: the bytes that they take.
#include "backends/common/contraction.h"
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>

namespace tenon::reference {

namespace {

// The zero points of an operand: none, one for all or one for each of `count`.
struct Zeros {
    TnDataType type = TN_U8;
    int64_t elements = 0;

    int64_t at(const void* zeros, int64_t i) const {
        int64_t value = 0;
        if (elements > 0) {
            loadInts(type, zeros, elements == 1 ? 0 : i, 1, 1, &value);
        }
        return value;
    }
};

Zeros zerosOf(const Call& call, size_t operand, int64_t count) {
    if (!call.has(operand)) {
        return {};
    }
    const Shape& shape = call.in(operand);
    if (shape.elements != 1 && shape.elements != count) {
        invalid(call.op(), " with ", shape.elements, " zero points for ", count);
    }
    return {shape.dtype, shape.elements};
}

Plan planMatmulInteger(const Call& call) {
    const kernels::MatrixProduct m = kernels::matrixProductOf(call);
    const TnDataType typeA = call.in(0).dtype;
    const TnDataType typeB = call.in(1).dtype;
    const Zeros zerosA = zerosOf(call, 2, m.rows);
    const Zeros zerosB = zerosOf(call, 3, m.columns);
    const int64_t batches = product(m.batch);
    const int threads = call.threads();
    Plan plan;
    plan.workspace = static_cast<int64_t>(sizeof(int64_t)) * threads * (m.depth + 2 * m.columns);
    plan.run = [=](const Buffers& b) {
        const int64_t items = batches * m.rows;
        parallelTeam(teamFor(threads, items, m.depth * m.columns), items,
                     [&](int64_t member, int64_t begin, int64_t end) {
                         int64_t* const a = static_cast<int64_t*>(b.workspace) + member * (m.depth + 2 * m.columns);
                         int64_t* const row = a + m.depth;
                         int64_t* const sums = row + m.columns;
                         for (int64_t item = begin; item < end; ++item) {
                             int64_t firstA = item % m.rows * m.aRow;
                             int64_t firstB = 0;
                             int64_t rest = item / m.rows;
                             for (size_t d = m.batch.size(); d-- > 0;) {
                                 firstA += rest % m.batch[d] * m.batchA[d];
                                 firstB += rest % m.batch[d] * m.batchB[d];
                                 rest /= m.batch[d];
                             }
                             loadInts(typeA, b.inputs[0], firstA, m.aColumn, m.depth, a);
                             const int64_t zeroA = zerosA.at(b.inputs[2], item % m.rows);
                             std::fill(sums, sums + m.columns, 0);
                             for (int64_t k = 0; k < m.depth; ++k) {
                                 loadInts(typeB, b.inputs[1], firstB + k * m.bRow, m.bColumn, m.columns, row);
                                 for (int64_t c = 0; c < m.columns; ++c) {
                                     sums[c] += (a[k] - zeroA) * (row[c] - zerosB.at(b.inputs[3], c));
                                 }
                             }
                             storeInts(TN_I32, sums, m.columns, b.outputs[0], item * m.columns);
                         }
                     });
        return Code::kOk;
    };
    return plan;
}

Plan planConvInteger(const Call& call) {
    const Dims& x = call.in(0).dims;
    const Dims& w = call.in(1).dims;
    const int64_t groups = call.intOr("group", 1);
    if (w.size() < 3 || x.size() != w.size() || groups < 1 || w[0] % groups != 0 || w[1] * groups != x[1]) {
        invalid("conv_integer of shape ", shapeText(x), " with weights ", shapeText(w), " in ", groups, " groups");
    }
    const Window window = windowOf(call, Dims(w.begin() + 2, w.end()));
    const TnDataType typeX = call.in(0).dtype;
    const TnDataType typeW = call.in(1).dtype;
    const Zeros zerosX = zerosOf(call, 2, 1);
    const Zeros zerosW = zerosOf(call, 3, w[0]);
    const int64_t channels = w[1];
    const int64_t outputs = w[0];
    const int64_t batch = x[0];
    const int64_t inputSize = product(window.input);
    const int64_t outputSize = product(window.output);
    const int64_t taps = window.taps();
    const Dims inputStrides = rowMajorStrides(window.input);
    const int threads = call.threads();
    Plan plan;
    plan.workspace = static_cast<int64_t>(sizeof(int64_t)) * (inputSize + taps) * threads;
    plan.run = [=](const Buffers& b) {
        const int64_t items = batch * outputs;
        const int64_t team = teamFor(threads, items, outputSize * channels * taps);
        parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
            int64_t* const image = static_cast<int64_t*>(b.workspace) + member * (inputSize + taps);
            int64_t* const kernel = image + inputSize;
            const int64_t zeroX = zerosX.at(b.inputs[2], 0);
            for (int64_t item = begin; item < end; ++item) {
                const int64_t output = item % outputs;
                const int64_t zeroW = zerosW.at(b.inputs[3], output);
                const int64_t first = (item / outputs * groups + output / (outputs / groups)) * channels;
                for (int64_t c = 0; c < channels; ++c) {
                    loadInts(typeX, b.inputs[0], (first + c) * inputSize, 1, inputSize, image);
                    loadInts(typeW, b.inputs[1], (output * channels + c) * taps, 1, taps, kernel);
                    for (int64_t o = 0; o < outputSize; ++o) {
                        int64_t sum = 0;
                        for (int64_t t = 0; t < taps; ++t) {
                            int64_t place = 0;
                            int64_t restO = o;
                            int64_t restT = t;
                            bool inside = true;
                            for (size_t d = window.rank(); d-- > 0;) {
                                const int64_t at = restO % window.output[d] * window.strides[d] +
                                                   restT % window.kernel[d] * window.dilations[d] - window.padBegin[d];
                                inside = inside && at >= 0 && at < window.input[d];
                                place += at * inputStrides[d];
                                restO /= window.output[d];
                                restT /= window.kernel[d];
                            }
                            sum += inside ? (image[place] - zeroX) * (kernel[t] - zeroW) : 0;
                        }
                        const int64_t index = item * outputSize + o;
                        int64_t before = 0;
                        if (c > 0) {
                            loadInts(TN_I32, b.outputs[0], index, 1, 1, &before);
                        }
                        sum += before;
                        storeInts(TN_I32, &sum, 1, b.outputs[0], index);
                    }
                }
                if (channels == 0) {
                    std::fill_n(b.out<int32_t>() + item * outputSize, outputSize, 0);
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

// Every step in f32, as the standard's definition has it: the scale is a result.
Plan planDynamicQuantize(const Call& call) {
    const int64_t elements = call.in(0).elements;
    return {[=](const Buffers& b) {
        const auto* x = b.in<float>(0);
        float low = 0;
        float high = 0;
        for (int64_t i = 0; i < elements; ++i) {
            low = std::min(low, x[i]);
            high = std::max(high, x[i]);
        }
        const float scale = high == low ? 1.0F : (high - low) / 255.0F;
        const float zero = std::nearbyint(std::clamp(-low / scale, 0.0F, 255.0F));
        *b.out<float>(1) = scale;
        *b.out<uint8_t>(2) = static_cast<uint8_t>(zero);
        for (int64_t i = 0; i < elements; ++i) {
            const float code = std::nearbyint(x[i] / scale) + zero;
            b.out<uint8_t>(0)[i] = static_cast<uint8_t>(std::isnan(code) ? zero : std::clamp(code, 0.0F, 255.0F));
        }
        return Code::kOk;
    }};
}

void checkBytes(const module::NodeView& node) {
    for (const int32_t i : {1, 2, 3}) {
        requireType(node, i, maskOf(TN_I8) | maskOf(TN_U8));
    }
}

} // namespace

void addIntegerProducts(KernelTable& table) {
    table.add({.op = "matmul_integer",
               .minInputs = 2,
               .maxInputs = 4,
               .types = maskOf(TN_I8) | maskOf(TN_U8),
               .output = OutputRule::kAny,
               .plan = planMatmulInteger,
               .check = checkBytes});
    table.add({.op = "conv_integer",
               .minInputs = 2,
               .maxInputs = 4,
               .types = maskOf(TN_I8) | maskOf(TN_U8),
               .output = OutputRule::kAny,
               .plan = planConvInteger,
               .check = checkBytes});
    table.add(
        {.op = "dynamic_quantize", .types = maskOf(TN_F32), .output = OutputRule::kAny, .plan = planDynamicQuantize});
}

} // namespace tenon::reference
