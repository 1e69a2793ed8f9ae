#include "backends/cpu/winograd_weights.h"

#include "backends/common/parallel.h"

#include <algorithm>
#include <array>

namespace tenon::cpu {

namespace {

constexpr uint64_t kLayoutVersion = 1;
constexpr int64_t kTaps = 3;
constexpr int64_t kMostColumns = 1024;
// Added to the results of a tile where weights are not transformed.
constexpr int64_t kAsTheyAre = 8;

// Rows of the matrix of Toom and Cook that weights are multiplied with: powers of each point over the product of its distances from the other
// ones, and last infinity. The points are those of simd/winograd_tile.cpp.
using Matrix = std::array<std::array<double, kTaps>, 6>;

Matrix matrixFor(int64_t results) {
    const std::vector<double> points =
        results == 2 ? std::vector<double>{0, 1, -1} : std::vector<double>{0, 0.625, -0.625, 1.5, -1.5};
    Matrix matrix{};
    for (size_t p = 0; p < points.size(); ++p) {
        double distances = 1;
        for (size_t other = 0; other < points.size(); ++other) {
            distances *= other == p ? 1 : points[p] - points[other];
        }
        double power = 1;
        for (double& entry : matrix[p]) {
            entry = power / distances;
            power *= points[p];
        }
    }
    matrix[points.size()][kTaps - 1] = 1;
    return matrix;
}

// Both dimensions of one window, in double: the results are rounded once. Element e goes to to[e * step].
void transform(const Matrix& matrix, int64_t size, const float* window, float* to, int64_t step) {
    double half[6][kTaps];
    for (int64_t i = 0; i < size; ++i) {
        for (int64_t c = 0; c < kTaps; ++c) {
            double sum = 0;
            for (int64_t r = 0; r < kTaps; ++r) {
                sum += matrix[static_cast<size_t>(i)][static_cast<size_t>(r)] * window[r * kTaps + c];
            }
            half[i][c] = sum;
        }
    }
    for (int64_t i = 0; i < size; ++i) {
        for (int64_t j = 0; j < size; ++j) {
            double sum = 0;
            for (int64_t c = 0; c < kTaps; ++c) {
                sum += half[i][c] * matrix[static_cast<size_t>(j)][static_cast<size_t>(c)];
            }
            to[(i * size + j) * step] = static_cast<float>(sum);
        }
    }
}

// One dimension of the way back: the points 0, the next one, and infinity say what the three weights were.
template <class Element>
void restore(const Matrix& matrix, int64_t size, const Element& element, double* to, int64_t step) {
    const double first = element(0) / matrix[0][0];
    const double last = element(size - 1);
    to[0] = first;
    to[step] = (element(1) - matrix[1][0] * first - matrix[1][2] * last) / matrix[1][1];
    to[2 * step] = last;
}

// The window that became the elements from[e * step].
void restoreWindow(const Matrix& matrix, int64_t size, const float* from, int64_t step, float* window) {
    double half[kTaps * 6]; // a line of three for each element of the first dimension
    for (int64_t i = 0; i < size; ++i) {
        const auto element = [&](int64_t j) { return static_cast<double>(from[(i * size + j) * step]); };
        restore(matrix, size, element, half + i * kTaps, 1);
    }
    double whole[kTaps * kTaps];
    for (int64_t c = 0; c < kTaps; ++c) {
        restore(
            matrix, size, [&](int64_t i) { return half[i * kTaps + c]; }, whole + c, kTaps);
    }
    std::copy(whole, whole + kTaps * kTaps, window);
}

} // namespace

int64_t WinogradWeights::bytes(int64_t outputs, int64_t inputs) const {
    const int64_t panels = (outputs + columns - 1) / columns;
    return panels * floats() * inputs * columns * static_cast<int64_t>(sizeof(float));
}

TnFormat winogradFormat(const WinogradWeights& weights, int64_t outputs, int64_t inputs) {
    const int64_t kind = weights.results + (weights.isTransformed ? 0 : kAsTheyAre);
    return module::opaqueFormat(4, "cpu", static_cast<uint64_t>(kind * (kMostColumns + 1) + weights.columns),
                                kLayoutVersion, weights.bytes(outputs, inputs));
}

std::optional<WinogradWeights> winogradWeightsOf(const TnFormat& format) {
    if (!module::isOpaque(format) || format.rank != 4 || format.opaque_version != kLayoutVersion ||
        std::string_view(format.opaque_provider) != "cpu" ||
        format.opaque_id >= (kAsTheyAre + 5) * (kMostColumns + 1)) {
        return std::nullopt;
    }
    const auto id = static_cast<int64_t>(format.opaque_id);
    const int64_t kind = id / (kMostColumns + 1);
    const WinogradWeights weights{kind % kAsTheyAre, id % (kMostColumns + 1), kind < kAsTheyAre};
    const bool isKnown = (weights.results == 2 || weights.results == 4) && weights.columns > 0;
    return isKnown ? std::optional(weights) : std::nullopt;
}

bool isWinogradConversion(const Task& task) {
    return task.body.nodeCount() == 1 && task.body.node(0).op() == "convert" && task.inputs.size() == 1 &&
           task.outputs.size() == 1 &&
           (winogradWeightsOf(task.inputs[0].format).has_value() ||
            winogradWeightsOf(task.outputs[0].format).has_value());
}

void checkWinogradConversion(const Task& task) {
    const auto isPlain = [](const TnPortFormat& port) {
        return module::isLinear(port.format) && port.format.rank == 4;
    };
    if (!isWinogradConversion(task) || task.inputs[0].dtype != TN_F32 || task.outputs[0].dtype != TN_F32 ||
        (!isPlain(task.inputs[0]) && !isPlain(task.outputs[0]))) {
        refuse("a transform of weights that are not f32, of four dimensions and in the linear layout");
    }
}

TaskPlan planWinogradConversion(const Task& task, const PortShapes& shapes) {
    const bool isBack = winogradWeightsOf(task.inputs[0].format).has_value();
    const TnFormat& format = isBack ? task.inputs[0].format : task.outputs[0].format;
    const WinogradWeights weights = winogradWeightsOf(format).value();
    const Dims& dims = shapes.inputs[0].dims;
    const int64_t outputs = dims[0];
    const int64_t inputs = dims[1];
    if (dims[2] != kTaps || dims[3] != kTaps || format.opaque_bytes != weights.bytes(outputs, inputs)) {
        invalid("transformed weights of shape ", shapeText(dims), " in ", format.opaque_bytes, " bytes");
    }
    const int threads = shapes.threads;
    TaskPlan result;
    result.inputPorts = {0};
    result.outputPorts = {0};
    result.plan.run = [weights, outputs, inputs, threads, isBack](const Buffers& b) {
        const Matrix matrix = matrixFor(weights.results);
        const int64_t size = weights.results + 2;
        const int64_t panel = weights.floats() * inputs * weights.columns;
        // From one channel to the next, and from one element of a tile or tap of a window to the next.
        const int64_t channel = weights.isTransformed ? weights.columns : weights.floats() * weights.columns;
        const int64_t step = weights.isTransformed ? inputs * weights.columns : weights.columns;
        const auto* const from = b.in<float>(0);
        auto* const to = b.out<float>();
        const int64_t panels = (outputs + weights.columns - 1) / weights.columns;
        const auto convert = [&](int64_t window, int64_t tile) {
            if (!weights.isTransformed) {
                for (int64_t t = 0; t < kTaps * kTaps; ++t) {
                    to[isBack ? window + t : tile + t * step] = from[isBack ? tile + t * step : window + t];
                }
            } else if (isBack) {
                restoreWindow(matrix, size, from + tile, step, to + window);
            } else {
                transform(matrix, size, from + window, to + tile, step);
            }
        };
        parallelFor(threads, panels, 1, [&](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) {
                if (!isBack) {
                    std::fill(to + p * panel, to + (p + 1) * panel, 0.0F);
                }
                const int64_t last = std::min(outputs, (p + 1) * weights.columns);
                for (int64_t k = p * weights.columns; k < last; ++k) {
                    for (int64_t c = 0; c < inputs; ++c) {
                        convert((k * inputs + c) * kTaps * kTaps, p * panel + c * channel + k % weights.columns);
                    }
                }
            }
        });
        return Code::kOk;
    };
    return result;
}

} // namespace tenon::cpu
