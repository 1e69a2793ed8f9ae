// The primitives of ResNet-50 as oneDNN runs them one after another, without anything around: the yardstick of our own schedule.
// Convolutions with bias, with the residual sum and ReLU as post-ops, in the layouts that oneDNN asks for; pooling; the last matrix product.
// Random data. Prints milliseconds of one pass per line: benchmarks/run.py reads them.
//
//   onednn_resnet50 SECONDS
#include <dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <unordered_map>
#include <vector>

namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

class Network {
public:
    // Adds a convolution of `x`, over `residual` if that is given; its output.
    memory convolution(const memory& x, int64_t outputs, int64_t size, int64_t stride, bool relu,
                       const memory* residual = nullptr) {
        const memory::dims from = x.get_desc().dims();
        const int64_t pad = size / 2;
        const int64_t extent = (from[2] + 2 * pad - size) / stride + 1;
        const memory::dims to = {from[0], outputs, extent, extent};
        dnnl::post_ops after;
        if (residual != nullptr) {
            after.append_sum();
        }
        if (relu) {
            after.append_eltwise(1.F, dnnl::algorithm::eltwise_relu, 0.F, 0.F);
        }
        dnnl::primitive_attr attributes;
        attributes.set_post_ops(after);
        const dnnl::convolution_forward::desc description(
            dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, any(from),
            any({outputs, from[1], size, size}), any({outputs}), any(to), {stride, stride}, {pad, pad}, {pad, pad});
        const dnnl::convolution_forward::primitive_desc chosen(description, attributes, mEngine);
        const memory source = inLayout(x, chosen.src_desc());
        const memory weights = random(chosen.weights_desc(), 1.F / static_cast<float>(from[1] * size * size));
        const memory bias = random(chosen.bias_desc(), 0.1F);
        memory result =
            residual != nullptr ? inLayout(*residual, chosen.dst_desc()) : memory(chosen.dst_desc(), mEngine);
        add(dnnl::convolution_forward(chosen),
            {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, result}});
        return result;
    }

    memory pool(const memory& x, dnnl::algorithm kind, int64_t size, int64_t stride, int64_t pad) {
        const memory::dims from = x.get_desc().dims();
        const int64_t extent = (from[2] + 2 * pad - size) / stride + 1;
        const dnnl::pooling_forward::desc description(dnnl::prop_kind::forward_inference, kind, x.get_desc(),
                                                      any({from[0], from[1], extent, extent}), {stride, stride},
                                                      {size, size}, {pad, pad}, {pad, pad});
        const dnnl::pooling_forward::primitive_desc chosen(description, mEngine);
        memory result(chosen.dst_desc(), mEngine);
        add(dnnl::pooling_forward(chosen), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, result}});
        return result;
    }

    memory dense(const memory& x, int64_t outputs) {
        const int64_t inputs = x.get_desc().dims()[1];
        const dnnl::inner_product_forward::desc description(dnnl::prop_kind::forward_inference, x.get_desc(),
                                                            any({outputs, inputs, 1, 1}), any({outputs}),
                                                            any({1, outputs}));
        const dnnl::inner_product_forward::primitive_desc chosen(description, mEngine);
        memory result(chosen.dst_desc(), mEngine);
        add(dnnl::inner_product_forward(chosen), {{DNNL_ARG_SRC, inLayout(x, chosen.src_desc())},
                                                  {DNNL_ARG_WEIGHTS, random(chosen.weights_desc(), 0.1F)},
                                                  {DNNL_ARG_BIAS, random(chosen.bias_desc(), 0.1F)},
                                                  {DNNL_ARG_DST, result}});
        return result;
    }

    memory image() { return random({{1, 3, 224, 224}, memory::data_type::f32, memory::format_tag::nchw}, 1.F); }

    double milliseconds() {
        const auto begin = std::chrono::steady_clock::now();
        for (const auto& [primitive, arguments] : mSteps) {
            primitive.execute(mStream, arguments);
        }
        mStream.wait();
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    }

private:
    static memory::desc any(const memory::dims& dims) {
        return {dims, memory::data_type::f32, memory::format_tag::any};
    }

    memory random(const memory::desc& layout, float scale) {
        memory made(layout, mEngine);
        std::uniform_real_distribution<float> uniform(-scale, scale);
        auto* values = static_cast<float*>(made.get_data_handle());
        std::generate_n(values, layout.get_size() / sizeof(float), [&] { return uniform(mGenerator); });
        return made;
    }

    memory inLayout(const memory& x, const memory::desc& wanted) {
        if (x.get_desc() == wanted) {
            return x;
        }
        memory converted(wanted, mEngine);
        add(dnnl::reorder(x, converted), {{DNNL_ARG_FROM, x}, {DNNL_ARG_TO, converted}});
        return converted;
    }

    void add(dnnl::primitive primitive, Arguments arguments) {
        mSteps.emplace_back(std::move(primitive), std::move(arguments));
    }

    dnnl::engine mEngine{dnnl::engine::kind::cpu, 0};
    dnnl::stream mStream{mEngine};
    std::mt19937 mGenerator{1};
    std::vector<std::pair<dnnl::primitive, Arguments>> mSteps;
};

void addResNet50(Network& network) {
    memory x = network.convolution(network.image(), 64, 7, 2, true);
    x = network.pool(x, dnnl::algorithm::pooling_max, 3, 2, 1);
    const int64_t blocks[] = {3, 4, 6, 3};
    for (int stage = 0; stage < 4; ++stage) {
        const int64_t width = int64_t{64} << stage;
        for (int64_t block = 0; block < blocks[stage]; ++block) {
            const int64_t stride = block == 0 && stage > 0 ? 2 : 1;
            const memory shortcut = block == 0 ? network.convolution(x, 4 * width, 1, stride, false) : x;
            memory y = network.convolution(x, width, 1, 1, true);
            y = network.convolution(y, width, 3, stride, true);
            x = network.convolution(y, 4 * width, 1, 1, true, &shortcut);
        }
    }
    x = network.pool(x, dnnl::algorithm::pooling_avg_exclude_padding, 7, 1, 0);
    network.dense(x, 1000);
}

} // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
    Network network;
    addResNet50(network);
    for (int i = 0; i < 3; ++i) {
        network.milliseconds();
    }
    for (double spent = 0; spent < seconds * 1e3;) {
        const double pass = network.milliseconds();
        std::printf("%.4f\n", pass);
        spent += pass;
    }
    return 0;
}
