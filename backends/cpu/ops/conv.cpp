// conv of floats in the linear layout: the windows of the image are packed as the right operand of a blocked product; a group
// of one channel is slid over its rows instead.
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/simd/rows.h"

#include <algorithm>
#include <cstring>

namespace tenon::cpu {

namespace {

struct Convolution {
    TnDataType type;
    int64_t batch, channels, outputs, groups;
    Window window;
    int64_t inputSize, outputSize, taps;
    bool hasBias;

    int64_t groupChannels() const { return channels / groups; }
    int64_t groupOutputs() const { return outputs / groups; }
};

Convolution readConvolution(const Call& call) {
    const Dims& x = call.in(0).dims;
    const Dims& w = call.in(1).dims;
    if (w.size() < 3 || x.size() != w.size()) {
        invalid("conv of shape ", shapeText(x), " with weights ", shapeText(w));
    }
    Convolution c{call.in(0).dtype,
                  x[0],
                  x[1],
                  w[0],
                  call.intOr("group", 1),
                  windowOf(call, Dims(w.begin() + 2, w.end())),
                  0,
                  0,
                  0,
                  call.has(2)};
    if (c.groups < 1 || c.channels % c.groups != 0 || c.outputs % c.groups != 0 || w[1] != c.channels / c.groups ||
        call.out().dims[1] != c.outputs || (c.hasBias && call.in(2).elements != c.outputs)) {
        invalid("conv of shape ", shapeText(x), " with weights ", shapeText(w), " in ", c.groups, " groups");
    }
    const Window& window = c.window;
    bool isProduct = window.input == window.output;
    for (size_t d = 0; d < window.rank(); ++d) {
        isProduct = isProduct && window.kernel[d] == 1 && window.strides[d] == 1 && window.padBegin[d] == 0;
    }
    if (isProduct) {
        const int64_t size = product(window.input);
        c.window = Window{{size}, {size}, {1}, {1}, {1}, {0}, {0}};
    }
    c.inputSize = product(c.window.input);
    c.outputSize = product(c.window.output);
    c.taps = c.window.taps();
    return c;
}

// Which outputs of a row, of `output` elements, read inside an input row of `input` through a tap that starts at `shift`.
std::pair<int64_t, int64_t> validRange(int64_t shift, int64_t stride, int64_t input, int64_t output) {
    const int64_t begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t end = shift >= input ? 0 : std::min(output, (input - 1 - shift) / stride + 1);
    return {std::min(begin, output), std::max(std::min(begin, output), end)};
}

// The right operand of the product: depth counts channels and taps, columns count output positions.
class ImageSource final : public PanelSource {
public:
    ImageSource(const Convolution& c, const void* image) : mC(c), mImage(image) {}

    void pack(int64_t batch, int64_t firstDepth, int64_t depth, int64_t first, int64_t count, int64_t width,
              float* to) const override {
        const Window& w = mC.window;
        const size_t last = w.rank() - 1;
        const int64_t group = batch % mC.groups;
        const int64_t plane = (batch / mC.groups * mC.channels + group * mC.groupChannels());
        if (count < width) {
            std::fill(to, to + depth * width, 0.0F);
        }
        for (int64_t done = 0; done < count;) {
            // A run of columns inside one output row.
            const int64_t position = first + done;
            const int64_t column = position % w.output[last];
            const int64_t run = std::min(count - done, w.output[last] - column);
            for (int64_t k = 0; k < depth; ++k) {
                const int64_t channel = (firstDepth + k) / mC.taps;
                int64_t tap = (firstDepth + k) % mC.taps;
                const int64_t shift = tap % w.kernel[last] * w.dilations[last] - w.padBegin[last];
                tap /= w.kernel[last];
                int64_t rest = position / w.output[last];
                int64_t row = 0;
                int64_t stride = 1;
                bool inside = true;
                for (size_t d = last; d-- > 0;) {
                    const int64_t at =
                        rest % w.output[d] * w.strides[d] + tap % w.kernel[d] * w.dilations[d] - w.padBegin[d];
                    inside = inside && at >= 0 && at < w.input[d];
                    row += at * stride;
                    stride *= w.input[d];
                    rest /= w.output[d];
                    tap /= w.kernel[d];
                }
                copyRun((plane + channel) * mC.inputSize + row * w.input[last], inside, column, run, shift,
                        to + k * width + done);
            }
            done += run;
        }
    }

private:
    void copyRun(int64_t rowStart, bool inside, int64_t column, int64_t run, int64_t shift, float* to) const {
        const int64_t stride = mC.window.strides.back();
        const int64_t input = mC.window.input.back();
        const auto [begin, end] =
            inside ? validRange(shift + column * stride, stride, input, run) : std::pair<int64_t, int64_t>(0, 0);
        std::fill(to, to + begin, 0.0F);
        std::fill(to + end, to + run, 0.0F);
        const int64_t first = rowStart + shift + (column + begin) * stride;
        if (begin >= end) {
            return;
        }
        if (stride == 1) {
            const float* row = readRow(mC.type, mImage, first, end - begin, to + begin);
            if (row != to + begin) {
                std::memcpy(to + begin, row, static_cast<size_t>(end - begin) * sizeof(float));
            }
            return;
        }
        for (int64_t i = begin; i < end; ++i) {
            float one = 0;
            to[i] = *readRow(mC.type, mImage, first + (i - begin) * stride, 1, &one);
        }
    }

    const Convolution& mC;
    const void* mImage;
};

void readBias(const Convolution& c, const Buffers& b, float* to) {
    if (!c.hasBias) {
        std::fill(to, to + c.outputs, 0.0F);
        return;
    }
    const float* bias = readRow(c.type, b.inputs[2], 0, c.outputs, to);
    if (bias != to) {
        std::copy(bias, bias + c.outputs, to);
    }
}

Plan planProduct(const Convolution& c, int threads) {
    const Gemm gemm{c.batch * c.groups, c.groupOutputs(), c.outputSize, c.groupChannels() * c.taps, c.type, threads};
    Dims firsts;
    for (int64_t i = 0; i < gemm.batches; ++i) {
        firsts.push_back(i % c.groups * c.groupOutputs() * gemm.depth);
    }
    Plan plan;
    plan.workspace = gemmWorkspace(gemm) + c.outputs * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        auto* bias = static_cast<float*>(b.workspace);
        readBias(c, b, bias);
        const MatrixSource weights(c.type, b.inputs[1], gemm.depth, 1, firsts.data());
        const ImageSource image(c, b.inputs[0]);
        runGemm(gemm, weights, image, bias, c.groupOutputs(), c.groups, b.outputs[0], bias + c.outputs);
        return Code::kOk;
    };
    return plan;
}

// Every group has one channel: each output row is a sum of shifted input rows. With a stride, input rows are first dealt
// out into rows of every stride-th element, so that the sum stays one of neighbours.
Plan planDepthwise(const Convolution& c, int threads) {
    const Window& w = c.window;
    const size_t last = w.rank() - 1;
    const int64_t stride = w.strides[last];
    const int64_t phase = (w.input[last] + stride - 1) / stride; // elements of a dealt row
    const int64_t rows = w.output[last] == 0 ? 0 : c.outputSize / w.output[last];
    const int64_t rowTaps = w.kernel[last] == 0 ? 0 : c.taps / w.kernel[last];
    const int64_t perThread = w.output[last] + w.input[last] + stride * phase + c.taps;
    const int64_t team = teamFor(threads, c.batch * c.outputs, c.outputSize * c.taps / 4);
    Plan plan;
    plan.workspace = (c.outputs + threads * perThread) * static_cast<int64_t>(sizeof(float));
    plan.run = [=](const Buffers& b) {
        auto* bias = static_cast<float*>(b.workspace);
        readBias(c, b, bias);
        parallelTeam(team, c.batch * c.outputs, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& table = rowTable();
            float* sums = bias + c.outputs + member * perThread;
            float* row = sums + w.output[last];
            float* dealt = row + w.input[last];
            float* taps = dealt + stride * phase;
            for (int64_t item = begin; item < end; ++item) {
                const int64_t output = item % c.outputs;
                const int64_t channel = output / (c.outputs / c.groups);
                const int64_t plane = (item / c.outputs * c.channels + channel) * c.inputSize;
                const float* kernel = readRow(c.type, b.inputs[1], output * c.taps, c.taps, taps);
                for (int64_t r = 0; r < rows; ++r) {
                    std::fill(sums, sums + w.output[last], bias[output]);
                    for (int64_t rowTap = 0; rowTap < rowTaps; ++rowTap) {
                        int64_t restRow = r;
                        int64_t restTap = rowTap;
                        int64_t source = 0;
                        int64_t step = 1;
                        bool inside = true;
                        for (size_t d = last; d-- > 0;) {
                            const int64_t at = restRow % w.output[d] * w.strides[d] +
                                               restTap % w.kernel[d] * w.dilations[d] - w.padBegin[d];
                            inside = inside && at >= 0 && at < w.input[d];
                            source += at * step;
                            step *= w.input[d];
                            restRow /= w.output[d];
                            restTap /= w.kernel[d];
                        }
                        if (!inside) {
                            continue;
                        }
                        const float* x =
                            readRow(c.type, b.inputs[0], plane + source * w.input[last], w.input[last], row);
                        if (stride > 1) {
                            for (int64_t i = 0; i < w.input[last]; ++i) {
                                dealt[i % stride * phase + i / stride] = x[i];
                            }
                        }
                        for (int64_t t = 0; t < w.kernel[last]; ++t) {
                            const int64_t shift = t * w.dilations[last] - w.padBegin[last];
                            const auto [from, to] = validRange(shift, stride, w.input[last], w.output[last]);
                            if (from >= to) {
                                continue;
                            }
                            const int64_t first = shift + from * stride;
                            const float* source0 =
                                stride == 1 ? x + first : dealt + first % stride * phase + first / stride;
                            table.addScaledInto(sums + from, source0, kernel[rowTap * w.kernel[last] + t], to - from);
                        }
                    }
                    const int64_t at = item * c.outputSize + r * w.output[last];
                    if (c.type == TN_F32) {
                        std::copy(sums, sums + w.output[last], b.out<float>() + at);
                    } else {
                        finishRow(c.type, b.outputs[0], at, w.output[last], sums);
                    }
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

Plan planConv(const Call& call) {
    const Convolution c = readConvolution(call);
    if (call.out().elements == 0) {
        return {[](const Buffers&) { return Code::kOk; }, 0};
    }
    return c.groups == c.channels && c.groups > 1 ? planDepthwise(c, call.threads()) : planProduct(c, call.threads());
}

} // namespace

void addConv(KernelTable& table) {
    table.add({.op = "conv",
               .minInputs = 2,
               .maxInputs = 3,
               .types = kVectorFloats,
               .plan = planConv,
               .check = requireSameTypes});
}

} // namespace tenon::cpu
