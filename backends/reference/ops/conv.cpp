// conv: any number of spatial dimensions, groups, strides, dilations, asymmetric pads. Summed in double.
//
// The image is widened once into a zero-padded plane per channel; then each tile of 4 output channels by 8 neighbours of an output
// row is one product over channels and taps, whose offsets into the padded image are the same for every output element.
#include "backends/common/parallel.h"
#include "backends/common/window.h"
#include "backends/reference/ops.h"
#include "backends/reference/product_tile.h"
#include "backends/reference/wide.h"

#include <algorithm>

namespace tenon::reference {

namespace {

struct ConvShape {
    int64_t batch, channels, outputs, groups;
    Window window;
    Dims padded;        // extents of the padded plane
    int64_t paddedSize; // elements of it
    int64_t inputSize, outputSize;
    TnDataType type;
};

ConvShape readShape(const Call& call) {
    const Dims& x = call.in(0).dims;
    const Dims& w = call.in(1).dims;
    if (w.size() < 3 || x.size() != w.size()) {
        invalid("conv of shape ", shapeText(x), " with weights ", shapeText(w));
    }
    ConvShape shape;
    shape.window = windowOf(call, Dims(w.begin() + 2, w.end()));
    shape.batch = x[0];
    shape.channels = x[1];
    shape.outputs = w[0];
    shape.groups = call.intOr("group", 1);
    shape.type = call.in(0).dtype;
    if (shape.groups < 1 || shape.channels % shape.groups != 0 || shape.outputs % shape.groups != 0 ||
        w[1] != shape.channels / shape.groups || call.out().dims[1] != shape.outputs) {
        invalid("conv of shape ", shapeText(x), " with weights ", shapeText(w), " in ", shape.groups, " groups");
    }
    if (call.has(2) && call.in(2).elements != shape.outputs) {
        invalid("conv with a bias of ", call.in(2).elements, " elements for ", shape.outputs, " outputs");
    }
    Window& window = shape.window;
    // Nothing to slide over: the plane is one long row.
    const auto all = [&](const Dims& values, int64_t value) {
        return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == value; });
    };
    if (all(window.kernel, 1) && all(window.strides, 1) && all(window.padBegin, 0) && window.input == window.output) {
        const int64_t size = product(window.input);
        window = Window{{size}, {size}, {1}, {1}, {1}, {0}, {0}};
    }
    for (size_t d = 0; d < window.rank(); ++d) {
        // What the last window reaches, which may be less or more than input and pads together.
        const int64_t reach =
            (window.output[d] - 1) * window.strides[d] + (window.kernel[d] - 1) * window.dilations[d] + 1;
        shape.padded.push_back(std::max(reach, window.padBegin[d] + window.input[d]));
    }
    shape.paddedSize = product(shape.padded);
    shape.inputSize = product(window.input);
    shape.outputSize = product(window.output);
    return shape;
}

// Copies one widened channel into its padded plane, which is zero around it.
void padChannel(const ConvShape& shape, const void* x, int64_t firstElement, double* plane) {
    const Window& window = shape.window;
    std::fill(plane, plane + shape.paddedSize, 0.0);
    if (shape.inputSize == 0) {
        return;
    }
    const size_t last = window.rank() - 1;
    int64_t coordinate[TN_MAX_DIMS] = {};
    // A negative pad crops.
    const int64_t cropBegin = std::max<int64_t>(-window.padBegin[last], 0);
    const int64_t length = std::min(window.input[last], shape.padded[last] - window.padBegin[last]) - cropBegin;
    const int64_t rows = shape.inputSize / window.input[last];
    for (int64_t row = 0; row < rows; ++row) {
        int64_t to = 0;
        bool inside = length > 0;
        for (size_t d = 0; d < last; ++d) {
            const int64_t at = coordinate[d] + window.padBegin[d];
            inside = inside && at >= 0 && at < shape.padded[d];
            to = (to + at) * shape.padded[d + 1];
        }
        if (inside) {
            loadFloats(shape.type, x, firstElement + row * window.input[last] + cropBegin, 1, length,
                       plane + to + window.padBegin[last] + cropBegin);
        }
        for (size_t d = last; d-- > 0;) {
            if (++coordinate[d] < window.input[d]) {
                break;
            }
            coordinate[d] = 0;
        }
    }
}

Plan planConv(const Call& call) {
    const ConvShape shape = readShape(call);
    const Window& window = shape.window;
    const int64_t groupChannels = shape.channels / shape.groups;
    const int64_t groupOutputs = shape.outputs / shape.groups;
    const int64_t taps = window.taps();
    const int64_t depth = groupChannels * taps;
    // Where each product's column lies, relative to the group's first plane and the output element's origin.
    Dims offsets;
    offsets.reserve(static_cast<size_t>(depth));
    const Dims paddedStrides = rowMajorStrides(shape.padded);
    Dims tapStrides = paddedStrides;
    for (size_t d = 0; d < window.rank(); ++d) {
        tapStrides[d] *= window.dilations[d];
    }
    for (int64_t c = 0; c < groupChannels && taps > 0; ++c) {
        Dims tap(window.rank(), 0);
        int64_t offset = c * shape.paddedSize;
        for (int64_t t = 0; t < taps; ++t) {
            offsets.push_back(offset);
            advance(tap, window.kernel, tapStrides, offset);
        }
    }
    const int64_t rowLength = window.output.back();
    const int64_t step = window.strides.back();
    const int64_t rows = rowLength == 0 ? 0 : shape.outputSize / rowLength;
    const int64_t blocks = (groupOutputs + kTileRows - 1) / kTileRows;
    const bool hasBias = call.has(2);
    const int threads = call.threads();
    Plan plan;
    // A tile may read past the last row.
    const int64_t planes = shape.channels * shape.paddedSize + kTileColumns * step;
    plan.workspace = static_cast<int64_t>(sizeof(double)) * (planes + threads * kTileRows * depth);
    plan.run = [=](const Buffers& b) {
        auto* padded = static_cast<double*>(b.workspace);
        double* widened = padded + planes;
        std::fill(padded + shape.channels * shape.paddedSize, padded + planes, 0.0);
        for (int64_t n = 0; n < shape.batch && shape.outputSize > 0; ++n) {
            parallelFor(threads, shape.channels, 1 + 16384 / (shape.paddedSize + 1), [&](int64_t begin, int64_t end) {
                for (int64_t c = begin; c < end; ++c) {
                    padChannel(shape, b.inputs[0], (n * shape.channels + c) * shape.inputSize,
                               padded + c * shape.paddedSize);
                }
            });
            const int64_t work = shape.groups * blocks;
            const int64_t team =
                shape.outputs * shape.outputSize * depth < 100000 ? 1 : std::min<int64_t>(threads, work);
            parallelFor(static_cast<int>(team), team, 1, [&](int64_t firstThread, int64_t lastThread) {
                for (int64_t t = firstThread; t < lastThread; ++t) {
                    double* weights = widened + t * kTileRows * depth;
                    for (int64_t item = work * t / team; item < work * (t + 1) / team; ++item) {
                        const int64_t group = item / blocks;
                        const int64_t first = item % blocks * kTileRows;
                        const int64_t height = std::min(kTileRows, groupOutputs - first);
                        const int64_t output = group * groupOutputs + first;
                        double bias[kTileRows] = {};
                        for (int64_t r = 0; r < kTileRows; ++r) {
                            const int64_t source = output + std::min(r, height - 1);
                            loadFloats(shape.type, b.inputs[1], source * depth, 1, depth, weights + r * depth);
                            if (hasBias) {
                                loadFloats(shape.type, b.inputs[2], source, 1, 1, &bias[r]);
                            }
                        }
                        const double* planesOfGroup = padded + group * groupChannels * shape.paddedSize;
                        for (int64_t row = 0; row < rows; ++row) {
                            int64_t origin = 0;
                            int64_t rest = row;
                            for (size_t d = window.rank() - 1; d-- > 0;) {
                                origin += rest % window.output[d] * window.strides[d] * paddedStrides[d];
                                rest /= window.output[d];
                            }
                            for (int64_t column = 0; column < rowLength; column += kTileColumns) {
                                double tile[kTileRows * kTileColumns];
                                multiplyTile(weights, depth, planesOfGroup + origin + column * step, offsets.data(),
                                             step, tile);
                                for (int64_t r = 0; r < height; ++r) {
                                    for (int64_t c = 0; c < kTileColumns; ++c) {
                                        tile[r * kTileColumns + c] += bias[r];
                                    }
                                    storeFloats(shape.type, tile + r * kTileColumns,
                                                std::min(kTileColumns, rowLength - column), b.outputs[0],
                                                ((n * shape.outputs + output + r) * rows + row) * rowLength + column);
                                }
                            }
                        }
                    }
                }
            });
        }
        return Code::kOk;
    };
    return plan;
}

} // namespace

void addConv(KernelTable& table) {
    table.add(
        {.op = "conv", .minInputs = 2, .maxInputs = 3, .types = kFloats, .plan = planConv, .check = requireSameTypes});
}

} // namespace tenon::reference
