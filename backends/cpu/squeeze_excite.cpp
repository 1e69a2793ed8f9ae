#include "backends/cpu/squeeze_excite.h"

#include "backends/common/excite.h"
#include "backends/common/parallel.h"
#include "backends/cpu/offered_layouts.h"
#include "backends/cpu/program_compiler.h"
#include "backends/cpu/simd/channel_sums.h"
#include "backends/cpu/simd/rows.h"
#include "backends/cpu/spatial_mean.h"

#include <algorithm>

namespace tenon::cpu {

namespace {

// An image as lines of `block` channels side by side: channels / block of them for each position of each item of the batch.
struct Image {
    int64_t batch = 0;
    int64_t channels = 0;
    int64_t positions = 0;
    int64_t block = 1;
};

// Channels that lie side by side; 0: a layout that is not known here.
int64_t blockOf(const TnFormat& format, int64_t channels) {
    if (module::isLinear(format)) {
        return 1;
    }
    if (format.rank >= 3 && module::equal(format, module::channelsLastFormat(format.rank))) {
        return channels;
    }
    if (module::isOpaque(format) || format.outer_pitch != 0 || format.block_count != 1 || format.blocks[0].dim != 1 ||
        format.blocks[0].size < 1 || channels % format.blocks[0].size != 0) {
        return 0;
    }
    for (int32_t d = 0; d < format.rank; ++d) {
        if (format.order[d] != d) {
            return 0;
        }
    }
    return format.blocks[0].size;
}

struct Layer {
    ExciteLayer layout;
    ProgramStep step;
    StepFunction activation = nullptr;
};

// Floats that loops go through at once: a few lines of channels.
constexpr int64_t kStretch = 512;

class Kernel {
public:
    Kernel(const module::GraphView& body, const Excite& excite, Image image, int threads)
        : mImage(image), mThreads(threads), mX(static_cast<size_t>(excite.x)), mSqueezes(excite.squeezes),
          mScales(excite.scales) {
        for (size_t i = 0; i < 2; ++i) {
            mLayers[i].layout = excite.layers[i];
            mLayers[i].step = *floatStep(body.node(static_cast<size_t>(excite.layers[i].activation)));
            mLayers[i].activation = stepTable().of(mLayers[i].step.step, ElementClass::kFloat);
        }
        mItems = mImage.batch * mImage.channels / std::max<int64_t>(mImage.block, 1);
        mStretch = std::max<int64_t>(1, kStretch / mImage.block) * mImage.block;
        // Few long lines are summed in chunks, as those who wrote them share them out.
        if (mImage.block > 1 && mItems < 8) {
            mChunks = pixelParts(mImage.positions, mImage.block);
        }
    }

    // Partial sums, means, hidden values and results, then a stretch of factors for each thread. Bounded by what many positions need, so that it does not
    // fall when they rise.
    int64_t workspace() const {
        const int64_t sums = mSqueezes ? (mItems + 8) * mImage.block * (mImage.block > 1 ? kMostPixelParts : 1) : 0;
        const int64_t rows =
            mImage.batch * (2 * mImage.channels + mLayers[0].layout.outputs + mLayers[1].layout.outputs);
        return (sums + rows + (mThreads + 1) * 2 * mStretch) * static_cast<int64_t>(sizeof(float));
    }

    void run(const Buffers& b) const {
        if (mImage.batch == 0) {
            return;
        }
        auto* next = static_cast<float*>(b.workspace);
        const auto take = [&](int64_t count) {
            float* const from = next;
            next += count;
            return from;
        };
        const float* means = b.in<float>(mX);
        if (mSqueezes) {
            float* const squeezed = take(mImage.batch * mImage.channels);
            squeeze(b, squeezed, next);
            means = squeezed;
        }
        float* const hidden = take(mImage.batch * mLayers[0].layout.outputs);
        float* const result = mScales ? take(mImage.batch * mLayers[1].layout.outputs) : b.out<float>();
        run(mLayers[0], b, means, hidden);
        run(mLayers[1], b, hidden, result);
        if (mScales) {
            scale(b, result, next);
        }
    }

private:
    void squeeze(const Buffers& b, float* means, float* scratch) const {
        const RowTable& rows = rowTable();
        const auto* const x = b.in<float>(mX);
        const int64_t length = mImage.positions * mImage.block;
        const float factor = 1.0F / static_cast<float>(mImage.positions);
        if (mImage.block == 1) {
            parallelTeam(teamFor(mThreads, mItems, length / 8 + 1), mItems, [&](int64_t, int64_t begin, int64_t end) {
                for (int64_t item = begin; item < end; ++item) {
                    means[item] = rows.sum(x + item * length, length) * factor;
                }
            });
            return;
        }
        const int64_t parts = mItems * mChunks;
        const int64_t team = teamFor(mThreads, parts, length / mChunks / 8 + 1);
        const auto sum = [&](int64_t item, int64_t first, int64_t last, float by, float* to) {
            channelSums(x + item * length + first * mImage.block, mImage.block, last - first, mImage.block, by, to);
        };
        if (mChunks == 1) {
            parallelTeam(team, mItems, [&](int64_t, int64_t begin, int64_t end) {
                for (int64_t item = begin; item < end; ++item) {
                    sum(item, 0, mImage.positions, factor, means + item * mImage.block);
                }
            });
            return;
        }
        parallelTeam(team, parts, [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t part = begin; part < end; ++part) {
                const int64_t chunk = part % mChunks;
                sum(part / mChunks, mImage.positions * chunk / mChunks, mImage.positions * (chunk + 1) / mChunks, 1,
                    scratch + part * mImage.block);
            }
        });
        for (int64_t item = 0; item < mItems; ++item) {
            channelSums(scratch + item * mChunks * mImage.block, mImage.block, mChunks, mImage.block, factor,
                        means + item * mImage.block);
        }
    }

    void run(const Layer& layer, const Buffers& b, const float* x, float* y) const {
        const int64_t inputs = layer.layout.inputs;
        const int64_t outputs = layer.layout.outputs;
        const auto* const weights = b.in<float>(static_cast<size_t>(layer.layout.weights));
        const float* const bias = layer.layout.bias < 0 ? nullptr : b.in<float>(static_cast<size_t>(layer.layout.bias));
        const int64_t team = teamFor(mThreads, outputs, inputs * (mImage.batch + 4) / 8 + 1);
        parallelTeam(team, outputs, [&](int64_t, int64_t begin, int64_t end) {
            const RowTable& rows = rowTable();
            const auto start = [&](int64_t o) { return bias != nullptr ? bias[o] : 0.0F; };
            for (int64_t o = begin; o < end && layer.layout.transposed; ++o) {
                for (int64_t n = 0; n < mImage.batch; ++n) {
                    y[n * outputs + o] = start(o) + rows.dot(weights + o * inputs, x + n * inputs, inputs);
                }
            }
            for (int64_t n = 0; n < mImage.batch && !layer.layout.transposed; ++n) {
                float* const to = y + n * outputs;
                for (int64_t o = begin; o < end; ++o) {
                    to[o] = start(o);
                }
                for (int64_t k = 0; k < inputs; ++k) {
                    rows.addScaledInto(to + begin, weights + k * outputs + begin, x[n * inputs + k], end - begin);
                }
            }
        });
        StepArgs args{};
        args.to = y;
        args.a = y;
        args.count = mImage.batch * outputs;
        args.p0 = layer.step.p0;
        args.p1 = layer.step.p1;
        layer.activation(args);
    }

    void scale(const Buffers& b, const float* factors, float* scratch) const {
        const auto* const x = b.in<float>(mX);
        auto* const y = b.out<float>();
        const int64_t length = mImage.positions * mImage.block;
        // Long lines in pieces of whole stretches.
        const int64_t pieces = mItems < 4 * mThreads ? std::max<int64_t>(1, length / (4 * mStretch)) : 1;
        const int64_t team = teamFor(mThreads, mItems * pieces, length / pieces / 4 + 1);
        const int64_t stretches = (length + mStretch - 1) / mStretch;
        parallelTeam(team, mItems * pieces, [&](int64_t member, int64_t begin, int64_t end) {
            const RowTable& rows = rowTable();
            float* const stretch = scratch + member * mStretch;
            int64_t known = -1;
            for (int64_t part = begin; part < end; ++part) {
                const int64_t item = part / pieces;
                const int64_t first = stretches * (part % pieces) / pieces * mStretch;
                const int64_t last = std::min(length, stretches * (part % pieces + 1) / pieces * mStretch);
                const float* const from = x + item * length;
                float* const to = y + item * length;
                if (mImage.block == 1) {
                    rows.scale(from + first, factors[item], to + first, last - first);
                    continue;
                }
                for (int64_t at = 0; at < mStretch && item != known; at += mImage.block) {
                    std::copy_n(factors + item * mImage.block, mImage.block, stretch + at);
                }
                known = item;
                for (int64_t i = first; i < last; i += mStretch) {
                    rows.multiplyColumns(from + i, stretch, to + i, std::min(mStretch, last - i));
                }
            }
        });
    }

    Image mImage;
    int mThreads;
    size_t mX;
    bool mSqueezes;
    bool mScales;
    Layer mLayers[2];
    int64_t mItems = 0; // blocks of channels in the batch
    int64_t mStretch = 1;
    int64_t mChunks = 1;
};

bool knowsActivations(const module::GraphView& body, const Excite& excite) {
    return std::all_of(std::begin(excite.layers), std::end(excite.layers), [&](const ExciteLayer& layer) {
        const auto step = floatStep(body.node(static_cast<size_t>(layer.activation)));
        return step && stepTable().of(step->step, ElementClass::kFloat) != nullptr;
    });
}

} // namespace

bool isExcite(const module::GraphView& body) { return readExcite(body).has_value(); }

std::vector<TnFormat> exciteLayouts(const module::TaskView& task) {
    const std::optional<Excite> excite = readExcite(task.body());
    const module::ValueView x = task.input(excite->x);
    std::vector<TnFormat> layouts{module::linearFormat(x.rank())};
    if (!excite->squeezes || !x.isStatic(1)) {
        return layouts;
    }
    for (const TnFormat& format : offeredLayouts(task, [&](int32_t port) { return port == excite->x; })) {
        if (blockOf(format, x.dim(1).opt) > 0) {
            layouts.push_back(format);
        }
    }
    return layouts;
}

void layOutExcite(const module::GraphView& body, const TnFormat& format, std::vector<TnPortFormat>& inputs,
                  std::vector<TnPortFormat>& outputs) {
    const std::optional<Excite> excite = readExcite(body);
    inputs[static_cast<size_t>(excite->x)].format = format;
    if (excite->scales) {
        outputs[0].format = format;
    }
}

int32_t excitedInPlace(const module::GraphView& body) {
    const std::optional<Excite> excite = readExcite(body);
    return excite->squeezes && excite->scales ? excite->x : -1;
}

void checkExcite(const Task& task) {
    const std::optional<Excite> excite = readExcite(task.body);
    if (!excite || !knowsActivations(task.body, *excite)) {
        refuse("squeeze-and-excite with an activation that is no vector loop");
    }
    const auto isFloat = [](const TnPortFormat& port) { return port.dtype == TN_F32; };
    if (!std::all_of(task.inputs.begin(), task.inputs.end(), isFloat) || !isFloat(task.outputs[0])) {
        refuse("squeeze-and-excite of other numbers than f32");
    }
    const TnPortFormat& image = task.inputs[static_cast<size_t>(excite->x)];
    for (size_t i = 0; i < task.inputs.size(); ++i) {
        if (i != static_cast<size_t>(excite->x) && !module::isLinear(task.inputs[i].format)) {
            refuse("squeeze-and-excite with weights in the layout ", module::describe(task.inputs[i].format));
        }
    }
    const bool fits = blockOf(image.format, excite->layers[0].inputs) > 0 &&
                      (excite->squeezes || module::isLinear(image.format)) &&
                      (excite->scales ? module::equal(task.outputs[0].format, image.format)
                                      : module::isLinear(task.outputs[0].format));
    if (!fits) {
        refuse("squeeze-and-excite from the layout ", module::describe(image.format), " to ",
               module::describe(task.outputs[0].format));
    }
}

TaskPlan planExcite(const Task& task, const PortShapes& shapes) {
    const std::optional<Excite> excite = readExcite(task.body);
    const Shape& x = shapes.inputs[static_cast<size_t>(excite->x)];
    Image image;
    image.batch = x.dims[0];
    image.channels = excite->layers[0].inputs;
    image.positions = product(x.dims, 2, x.dims.size());
    image.block = blockOf(x.format, image.channels);
    if (x.dims[1] != image.channels) {
        invalid("squeeze-and-excite of ", x.dims[1], " channels with weights for ", image.channels);
    }
    const Kernel kernel(task.body, *excite, image, shapes.threads);
    TaskPlan result;
    for (size_t i = 0; i < shapes.inputs.size(); ++i) {
        result.inputPorts.push_back(static_cast<int32_t>(i));
    }
    result.outputPorts = {0};
    result.plan = kernels::planOf(kernel, kernel.workspace(), shapes.outputs[0].elements);
    return result;
}

} // namespace tenon::cpu
