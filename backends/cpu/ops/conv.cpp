// conv of floats in the linear layout: the windows of the image are packed as the right operand of a blocked product; windows of one are read where
// they lie, and a group of one channel is slid over its rows instead.
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/ops.h"
#include "backends/cpu/plane_product.h"
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
    bool isProduct; // of weights and pixels: windows of one, side by side

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
                  call.has(2),
                  false};
    if (c.groups < 1 || c.channels % c.groups != 0 || c.outputs % c.groups != 0 || w[1] != c.channels / c.groups ||
        call.out().dims[1] != c.outputs || (c.hasBias && call.in(2).elements != c.outputs)) {
        invalid("conv of shape ", shapeText(x), " with weights ", shapeText(w), " in ", c.groups, " groups");
    }
    const Window& window = c.window;
    c.isProduct = window.input == window.output;
    for (size_t d = 0; d < window.rank(); ++d) {
        c.isProduct = c.isProduct && window.kernel[d] == 1 && window.strides[d] == 1 && window.padBegin[d] == 0;
    }
    if (c.isProduct) {
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

// What one step of the depth reads: a channel, a row of the kernel, a tap in that row.
struct DepthStep {
    int64_t channel; // elements from the group's first plane
    int64_t rowTap;
    int64_t shift; // of the tap, along the row
};

std::vector<DepthStep> depthStepsOf(const Convolution& c) {
    const Window& w = c.window;
    const int64_t kernel = w.kernel.back();
    std::vector<DepthStep> steps;
    for (int64_t channel = 0; channel < c.groupChannels(); ++channel) {
        for (int64_t tap = 0; tap < c.taps; ++tap) {
            steps.push_back(
                {channel * c.inputSize, tap / kernel, tap % kernel * w.dilations.back() - w.padBegin.back()});
        }
    }
    return steps;
}

// The right operand of the product: depth counts channels and taps, columns count output positions.
class ImageSource final : public PanelSource {
public:
    ImageSource(const Convolution& c, const std::vector<DepthStep>& steps, const void* image)
        : mC(c), mSteps(steps), mImage(image) {}

    void pack(int64_t batch, int64_t firstDepth, int64_t depth, int64_t first, int64_t count, int64_t width,
              float* to) const override {
        const Window& w = mC.window;
        const size_t last = w.rank() - 1;
        const int64_t plane = batch / mC.groups * mC.channels + batch % mC.groups * mC.groupChannels();
        if (count < width) {
            std::fill(to, to + depth * width, 0.0F);
        }
        for (int64_t done = 0; done < count;) {
            // A run of columns inside one output row.
            const int64_t position = first + done;
            const int64_t column = position % w.output[last];
            const int64_t run = std::min(count - done, w.output[last] - column);
            const int64_t outputRow = position / w.output[last];
            int64_t known[kKnownRows];
            std::fill(std::begin(known), std::end(known), kUnknown);
            for (int64_t k = 0; k < depth; ++k) {
                const DepthStep& step = mSteps[static_cast<size_t>(firstDepth + k)];
                int64_t row = step.rowTap < kKnownRows ? known[step.rowTap] : kUnknown;
                if (row == kUnknown) {
                    row = inputRow(outputRow, step.rowTap);
                    known[std::min(step.rowTap, kKnownRows - 1)] = step.rowTap < kKnownRows ? row : kUnknown;
                }
                copyRun(plane * mC.inputSize + step.channel + row, row >= 0, column, run, step.shift,
                        to + k * width + done);
            }
            done += run;
        }
    }

private:
    static constexpr int64_t kKnownRows = 64;
    static constexpr int64_t kUnknown = INT64_MIN;

    // First element of the input row under a row of the kernel; -1: it lies outside.
    int64_t inputRow(int64_t outputRow, int64_t rowTap) const {
        const Window& w = mC.window;
        const size_t last = w.rank() - 1;
        int64_t row = 0;
        int64_t stride = w.input[last];
        for (size_t d = last; d-- > 0;) {
            const int64_t at =
                outputRow % w.output[d] * w.strides[d] + rowTap % w.kernel[d] * w.dilations[d] - w.padBegin[d];
            if (at < 0 || at >= w.input[d]) {
                return -1;
            }
            row += at * stride;
            stride *= w.input[d];
            outputRow /= w.output[d];
            rowTap /= w.kernel[d];
        }
        return row;
    }

    void copyRun(int64_t rowStart, bool inside, int64_t column, int64_t run, int64_t shift, float* to) const {
        const int64_t stride = mC.window.strides.back();
        const int64_t input = mC.window.input.back();
        if (!inside) {
            std::fill(to, to + run, 0.0F);
            return;
        }
        const int64_t start = shift + column * stride;
        if (stride == 1) {
            const int64_t begin = std::clamp<int64_t>(-start, 0, run);
            const int64_t end = std::clamp<int64_t>(input - start, begin, run);
            const float* row =
                begin < end ? readRow(mC.type, mImage, rowStart + start + begin, end - begin, to + begin) : nullptr;
            for (int64_t i = 0; i < begin; ++i) {
                to[i] = 0;
            }
            if (row != to + begin) {
                for (int64_t i = begin; i < end; ++i) {
                    to[i] = row[i - begin];
                }
            }
            for (int64_t i = end; i < run; ++i) {
                to[i] = 0;
            }
            return;
        }
        const auto [begin, end] = validRange(start, stride, input, run);
        std::fill(to, to + begin, 0.0F);
        std::fill(to + end, to + run, 0.0F);
        if (mC.type == TN_F32) {
            const float* from = static_cast<const float*>(mImage) + rowStart + start;
            for (int64_t i = begin; i < end; ++i) {
                to[i] = from[i * stride];
            }
            return;
        }
        for (int64_t i = begin; i < end; ++i) {
            to[i] = *readRow(mC.type, mImage, rowStart + start + i * stride, 1, to + i);
        }
    }

    const Convolution& mC;
    const std::vector<DepthStep>& mSteps;
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
    plan.run = [=, steps = depthStepsOf(c)](const Buffers& b) {
        auto* bias = static_cast<float*>(b.workspace);
        readBias(c, b, bias);
        const MatrixSource weights(c.type, b.inputs[1], gemm.depth, 1, firsts.data());
        const ImageSource image(c, steps, b.inputs[0]);
        runGemm(gemm, weights, image, bias, c.groupOutputs(), c.groups, b.outputs[0], bias + c.outputs);
        return Code::kOk;
    };
    return plan;
}

Plan planPlanes(const Convolution& c, int threads) {
    const PlaneProduct product{c.batch, c.groups, c.groupChannels(), c.groupOutputs(), c.outputSize, threads};
    return {[=](const Buffers& b) {
                runPlaneProduct(product, b.in<float>(0), b.in<float>(1), c.hasBias ? b.in<float>(2) : nullptr,
                                b.out<float>(), b.workspace);
                return Code::kOk;
            },
            planeProductWorkspace(product)};
}

// Every group has one channel: each output row is a sum of shifted input rows. With a stride, input rows are first dealt
// out into rows of every stride-th element, so that the sum stays one of neighbours.
Plan planDepthwise(const Convolution& c, int threads) {
    constexpr int64_t kStretch = 2048; // results that stay in the first-level cache while all taps are added to them
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
                            dealRow(x, w.input[last], stride, phase, dealt);
                        }
                        for (int64_t done = 0; done < w.output[last]; done += kStretch) {
                            const int64_t stop = std::min(w.output[last], done + kStretch);
                            for (int64_t t = 0; t < w.kernel[last]; ++t) {
                                const int64_t shift = t * w.dilations[last] - w.padBegin[last];
                                auto [from, to] = validRange(shift, stride, w.input[last], w.output[last]);
                                from = std::max(from, done);
                                to = std::min(to, stop);
                                if (from >= to) {
                                    continue;
                                }
                                const int64_t first = shift + from * stride;
                                const float* source0 =
                                    stride == 1 ? x + first : dealt + first % stride * phase + first / stride;
                                table.addScaledInto(sums + from, source0, kernel[rowTap * w.kernel[last] + t],
                                                    to - from);
                            }
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
    if (c.isProduct && c.type == TN_F32 && c.groupChannels() > 0) {
        return planPlanes(c, call.threads());
    }
    // A product of one or two rows would leave most of a tile empty.
    const bool slides = c.groups == c.channels && (c.groups > 1 || c.outputs <= 2);
    return slides ? planDepthwise(c, call.threads()) : planProduct(c, call.threads());
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
