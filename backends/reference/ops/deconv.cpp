// deconv (transposed convolution): every input element adds its weighted kernel to the output. Summed in double per output plane.
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/reference/ops.h"
#include "backends/reference/wide.h"

#include <algorithm>

namespace tenon::reference {

namespace {

Plan planDeconv(const Call& call) {
    const Dims& x = call.in(0).dims;
    const Dims& w = call.in(1).dims;
    if (w.size() < 3 || x.size() != w.size()) {
        invalid("deconv of shape ", shapeText(x), " with weights ", shapeText(w));
    }
    const Window window = deconvWindowOf(call, Dims(w.begin() + 2, w.end()));
    const int64_t groups = call.intOr("group", 1);
    const int64_t channels = x[1];
    const int64_t groupOutputs = w[1];
    const int64_t outputs = groupOutputs * groups;
    if (groups < 1 || w[0] != channels || channels % groups != 0 || call.out().dims[1] != outputs) {
        invalid("deconv of shape ", shapeText(x), " with weights ", shapeText(w), " in ", groups, " groups");
    }
    const bool hasBias = call.has(2);
    if (hasBias && call.in(2).elements != outputs) {
        invalid("deconv with a bias of ", call.in(2).elements, " elements for ", outputs, " outputs");
    }
    const TnDataType type = call.in(0).dtype;
    const int64_t groupChannels = channels / groups;
    const int64_t inputSize = product(window.input);
    const int64_t outputSize = product(window.output);
    const int64_t taps = window.taps();
    const size_t last = window.rank() - 1;
    const Dims outputStrides = rowMajorStrides(window.output);
    const int64_t rowLength = window.input[last];
    const int64_t rows = rowLength == 0 ? 0 : inputSize / rowLength;
    const int threads = call.threads();
    const int64_t work = x[0] * outputs;
    const int64_t team = std::max<int64_t>(
        1, std::min<int64_t>(inputSize * channels * groupOutputs * taps < 100000 ? 1 : threads, work));
    const int64_t perThread = outputSize + rowLength + taps;
    Plan plan;
    plan.workspace = static_cast<int64_t>(sizeof(double)) * perThread * threads;
    plan.run = [=](const Buffers& b) {
        parallelFor(static_cast<int>(team), team, 1, [&](int64_t firstThread, int64_t lastThread) {
            for (int64_t t = firstThread; t < lastThread; ++t) {
                double* plane = static_cast<double*>(b.workspace) + t * perThread;
                double* source = plane + outputSize;
                double* kernel = source + rowLength;
                for (int64_t item = work * t / team; item < work * (t + 1) / team; ++item) {
                    const int64_t n = item / outputs;
                    const int64_t output = item % outputs;
                    const int64_t group = output / groupOutputs;
                    double bias = 0;
                    if (hasBias) {
                        loadFloats(type, b.inputs[2], output, 1, 1, &bias);
                    }
                    std::fill(plane, plane + outputSize, 0.0);
                    for (int64_t c = group * groupChannels; c < (group + 1) * groupChannels; ++c) {
                        loadFloats(type, b.inputs[1], (c * groupOutputs + output % groupOutputs) * taps, 1, taps,
                                   kernel);
                        for (int64_t row = 0; row < rows; ++row) {
                            loadFloats(type, b.inputs[0], ((n * channels + c) * rows + row) * rowLength, 1, rowLength,
                                       source);
                            for (int64_t tap = 0; tap < taps; ++tap) {
                                // Where this row of the input lands through this tap; outside, pads have cropped it away.
                                int64_t restTap = tap / window.kernel[last];
                                int64_t restRow = row;
                                int64_t to = 0;
                                bool inside = true;
                                for (size_t d = last; d-- > 0;) {
                                    const int64_t at = restRow % window.input[d] * window.strides[d] +
                                                       restTap % window.kernel[d] * window.dilations[d] -
                                                       window.padBegin[d];
                                    inside = inside && at >= 0 && at < window.output[d];
                                    to += at * outputStrides[d];
                                    restRow /= window.input[d];
                                    restTap /= window.kernel[d];
                                }
                                if (!inside) {
                                    continue;
                                }
                                const int64_t stride = window.strides[last];
                                const int64_t shift =
                                    tap % window.kernel[last] * window.dilations[last] - window.padBegin[last];
                                const int64_t begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
                                const int64_t end =
                                    shift >= window.output[last]
                                        ? 0
                                        : std::min(rowLength, (window.output[last] - 1 - shift) / stride + 1);
                                for (int64_t i = begin; i < end; ++i) {
                                    plane[to + shift + i * stride] += kernel[tap] * source[i];
                                }
                            }
                        }
                    }
                    for (int64_t i = 0; i < outputSize; ++i) {
                        plane[i] += bias;
                    }
                    storeFloats(type, plane, outputSize, b.outputs[0], item * outputSize);
                }
            }
        });
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addDeconv(KernelTable& table) {
    table.add({.op = "deconv",
               .minInputs = 2,
               .maxInputs = 3,
               .types = kFloats,
               .plan = planDeconv,
               .check = requireSameTypes});
}

} // namespace tenon::reference
