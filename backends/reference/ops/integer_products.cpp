// matmul_integer and conv_integer: products of bytes less their zero points, summed in 32 bits. dynamic_quantize: the bytes that they take.
#include "backends/common/contraction.h"
#include "backends/common/integer_product.h"
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>
#include <cmath>

namespace tenon::reference {

namespace {

constexpr int64_t kPanel = 64; // columns of b that one thread holds widened

int64_t byteAt(TnDataType type, const void* from, int64_t i) {
    return type == TN_I8 ? static_cast<const int8_t*>(from)[i] : static_cast<const uint8_t*>(from)[i];
}

// The zero points of an operand: none, one for all or one for each of `count`.
struct Zeros {
    size_t operand = 0;
    TnDataType type = TN_U8;
    int64_t elements = 0;

    // Operands that are left out at the end have no buffer.
    int64_t at(const Buffers& b, int64_t i) const {
        return elements == 0 ? 0 : byteAt(type, b.inputs[operand], elements == 1 ? 0 : i);
    }
};

Zeros zerosOf(const Call& call, size_t operand, int64_t count) {
    const int64_t elements = kernels::zeroPoints(call, operand, count);
    return elements == 0 ? Zeros() : Zeros{operand, call.in(operand).dtype, elements};
}

Plan planMatmulInteger(const Call& call) {
    const kernels::MatrixProduct m = kernels::matrixProductOf(call);
    const TnDataType typeA = call.in(0).dtype;
    const TnDataType typeB = call.in(1).dtype;
    const Zeros zerosA = zerosOf(call, 2, m.rows);
    const Zeros zerosB = zerosOf(call, 3, m.columns);
    const int64_t batches = product(m.batch);
    const int64_t panels = (m.columns + kPanel - 1) / kPanel;
    const int threads = call.threads();
    Plan plan;
    // Per thread: some columns of b, a row of a and of the result, all less their zero points. Sums wrap, as i32 does.
    const int64_t perThread = m.depth * kPanel + m.depth + kPanel;
    plan.workspace = static_cast<int64_t>(sizeof(uint32_t)) * threads * perThread;
    plan.run = [=](const Buffers& b) {
        const int64_t items = batches * panels;
        const int64_t team = teamFor(threads, items, m.rows * m.depth * kPanel);
        parallelTeam(team, items, [&](int64_t member, int64_t begin, int64_t end) {
            uint32_t* const panel = static_cast<uint32_t*>(b.workspace) + member * perThread;
            uint32_t* const row = panel + m.depth * kPanel;
            uint32_t* const sums = row + m.depth;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t first = item % panels * kPanel;
                const int64_t width = std::min(kPanel, m.columns - first);
                const kernels::MatrixProduct::Place place = m.firstOf(item / panels);
                const int64_t firstA = place.a;
                const int64_t firstB = place.b + first * m.bColumn;
                std::fill(panel, panel + m.depth * kPanel, 0U);
                for (int64_t k = 0; k < m.depth; ++k) {
                    for (int64_t c = 0; c < width; ++c) {
                        panel[k * kPanel + c] = static_cast<uint32_t>(
                            byteAt(typeB, b.inputs[1], firstB + k * m.bRow + c * m.bColumn) - zerosB.at(b, first + c));
                    }
                }
                for (int64_t r = 0; r < m.rows; ++r) {
                    const int64_t zero = zerosA.at(b, r);
                    for (int64_t k = 0; k < m.depth; ++k) {
                        row[k] = static_cast<uint32_t>(byteAt(typeA, b.inputs[0], firstA + r * m.aRow + k * m.aColumn) -
                                                       zero);
                    }
                    std::fill(sums, sums + kPanel, 0U);
                    for (int64_t k = 0; k < m.depth; ++k) {
                        for (int64_t c = 0; c < kPanel; ++c) {
                            sums[c] += row[k] * panel[k * kPanel + c];
                        }
                    }
                    auto* const to = b.out<uint32_t>() + (item / panels * m.rows + r) * m.columns + first;
                    std::copy(sums, sums + width, to);
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

Plan planConvInteger(const Call& call) {
    const Dims& x = call.in(0).dims;
    const Dims& w = call.in(1).dims;
    const int64_t groups = kernels::groupsOfIntegers(call);
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
            const int64_t zeroX = zerosX.at(b, 0);
            for (int64_t item = begin; item < end; ++item) {
                const int64_t output = item % outputs;
                const int64_t zeroW = zerosW.at(b, output);
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

} // namespace

void addIntegerProducts(KernelTable& table) {
    table.add(kernels::integerProduct("matmul_integer", planMatmulInteger));
    table.add(kernels::integerProduct("conv_integer", planConvInteger));
    table.add(
        {.op = "dynamic_quantize", .types = maskOf(TN_F32), .output = OutputRule::kAny, .plan = planDynamicQuantize});
}

} // namespace tenon::reference
