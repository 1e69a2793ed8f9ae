// The header-only SDK that modules are written with: blobs, owned graphs, views, and layouts that agree with the core's.
#include "tenon/module/owned_graph.hpp"
#include "tenon/module/provider.hpp"

#include "core/ir/data_type.h"
#include "core/ir/editor.h"
#include "core/ir/tensor_format.h"
#include "registry/graph_bridge.h"
#include "registry/text_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

namespace tenon::registry {
namespace {

using module::BlobReader;
using module::BlobWriter;
using module::OwnedGraph;
using module::Reason;
using testing::ElementsAre;

TEST(ModuleFormat, AgreesWithTheCore) {
    std::mt19937 random(3);
    const auto below = [&](int32_t end) { return static_cast<int32_t>(random() % static_cast<uint32_t>(end)); };
    for (int round = 0; round < 2000; ++round) {
        const int32_t rank = below(6);
        std::vector<int32_t> order(static_cast<size_t>(rank));
        std::iota(order.begin(), order.end(), 0);
        std::shuffle(order.begin(), order.end(), random);
        TnFormat format = module::permutedFormat(order);
        std::vector<TnBlock> blocks;
        for (int32_t i = 0; rank > 0 && i < below(TN_MAX_BLOCKS + 1); ++i) {
            blocks.push_back({below(rank), 1 + below(8)});
            format.blocks[format.block_count++] = blocks.back();
        }
        std::vector<int64_t> dims;
        std::vector<int64_t> coordinate;
        for (int32_t i = 0; i < rank; ++i) {
            dims.push_back(1 + below(9));
            coordinate.push_back(below(static_cast<int32_t>(dims.back())));
        }
        ASSERT_TRUE(ir::isWellFormed(format));
        EXPECT_EQ(module::isLinear(format), ir::isLinear(format));
        EXPECT_EQ(module::offsetOf(format, dims.data(), coordinate.data()),
                  ir::offsetOf(format, dims.data(), coordinate.data()));
        for (const ir::DataType type : {ir::DataType::kF32, ir::DataType::kI4}) {
            EXPECT_EQ(module::bytesOf(format, static_cast<TnDataType>(type), dims.data()),
                      ir::bytesOf(format, type, dims.data()))
                << ir::toText(format);
        }
        EXPECT_TRUE(module::equal(format, format));
    }
    for (int32_t rank = 0; rank <= TN_MAX_DIMS; ++rank) {
        EXPECT_TRUE(ir::equal(module::linearFormat(rank), ir::linearFormat(rank)));
        EXPECT_TRUE(ir::equal(module::channelsLastFormat(rank), ir::channelsLastFormat(rank)));
        EXPECT_EQ(module::describe(module::linearFormat(rank)), ir::toText(ir::linearFormat(rank)));
    }
    EXPECT_EQ(module::describe(module::blockedFormat(4, {{1, 16}})), ir::toText(ir::blockedFormat(4, {{1, 16}})));
    for (int32_t type = 0; type < TN_DATA_TYPE_COUNT; ++type) {
        EXPECT_EQ(module::nameOf(type), ir::nameOf(static_cast<ir::DataType>(type)));
        EXPECT_EQ(module::bitsOf(type), ir::bitsOf(static_cast<ir::DataType>(type)));
        EXPECT_EQ(module::isFloat(type), ir::isFloat(static_cast<ir::DataType>(type)));
        EXPECT_EQ(module::isInteger(type), ir::isInteger(static_cast<ir::DataType>(type)));
    }
}

TEST(ModuleFormat, OuterPitchAndOverflow) {
    TnFormat format = module::linearFormat(2);
    format.outer_pitch = 10;
    const int64_t dims[] = {3, 4};
    const int64_t coordinate[] = {2, 1};
    EXPECT_EQ(module::offsetOf(format, dims, coordinate), 21);
    EXPECT_EQ(module::bytesOf(format, TN_F32, dims), ir::bytesOf(format, ir::DataType::kF32, dims));
    const int64_t huge[] = {INT64_MAX / 2, 8};
    EXPECT_EQ(module::bytesOf(module::linearFormat(2), TN_F32, huge), -1);
    const int64_t empty[] = {INT64_MAX / 2, 0};
    EXPECT_EQ(module::bytesOf(module::linearFormat(2), TN_F32, empty), 0);
}

TEST(ModuleBlob, RoundTrip) {
    BlobWriter out(4);
    out.u8(7);
    out.boolean(true);
    out.i64(-5);
    out.f64(0.1);
    out.string("text");
    out.ints(std::vector<int64_t>{1, -2});
    out.floats(std::vector<double>{});
    out.port({TN_BF16, 1, module::blockedFormat(4, {{1, 16}, {0, 4}}, true)});
    out.format(module::opaqueFormat(2, "mine", 3, 4, 5000));
    BlobReader in(out.data(), 4);
    EXPECT_EQ(in.u8(), 7);
    EXPECT_TRUE(in.boolean());
    EXPECT_EQ(in.i64(), -5);
    EXPECT_EQ(in.f64(), 0.1);
    EXPECT_EQ(in.string(), "text");
    EXPECT_THAT(in.ints(), ElementsAre(1, -2));
    EXPECT_TRUE(in.floats().empty());
    const TnPortFormat port = in.port();
    EXPECT_EQ(port.dtype, TN_BF16);
    EXPECT_TRUE(module::equal(port.format, module::blockedFormat(4, {{1, 16}, {0, 4}}, true)));
    EXPECT_TRUE(module::equal(in.format(), module::opaqueFormat(2, "mine", 3, 4, 5000)));
    TextSink text;
    Reason reason(text.sink());
    EXPECT_TRUE(in.finish(reason)) << text.text();

    BlobReader other(out.data(), 5);
    EXPECT_FALSE(other.finish(reason));
    EXPECT_EQ(text.text(), "the kernel's bytes are damaged: it has version 4, expected 5");
    EXPECT_EQ(reason.code(), module::Code::kInvalidArgument);
}

// f32[N, 4] -> transpose -> fill-like node with every kind of attribute.
std::unique_ptr<ir::Graph> richGraph() {
    auto graph = std::make_unique<ir::Graph>("g");
    ir::GraphEditor editor(*graph);
    ir::ExprPool& pool = graph->pool();
    ir::Symbol symbol;
    symbol.name = "N";
    symbol.bounds = {1, 32};
    symbol.opt = 8;
    const ir::DimExpr n = pool.symbol(symbol);
    const ir::DimExpr four = pool.constant(4);
    ir::Value* x = editor.addInput("x", {ir::ValueKind::kTensor, ir::DataType::kF32, true, {n, four}});
    ir::Value* weights = editor.addConstant(ir::makeConstantF32({2}, {1.5F, 2.5F}), "w", ir::SourceSet("layer"));
    ir::NodeSpec spec;
    spec.op = "transpose";
    spec.name = "first";
    spec.inputs = {x, nullptr, weights};
    spec.attributes.set("perm", std::vector<int64_t>{1, 0});
    spec.outputTypes = {{ir::ValueKind::kTensor, ir::DataType::kF32, true, {four, n}}};
    spec.source = ir::SourceSet("layer");
    ir::Value* y = editor.addNode(spec)->output(0);
    spec = {};
    spec.op = "test.rich";
    spec.name = "second";
    spec.inputs = {y, y};
    spec.attributes.set("a_int", int64_t{-3});
    spec.attributes.set("b_float", 0.25);
    spec.attributes.set("c_string", std::string("text"));
    spec.attributes.set("d_floats", std::vector<double>{1, 2.5});
    spec.attributes.set("e_strings", std::vector<std::string>{"p", "qq"});
    spec.attributes.set("f_dtype", ir::DataType::kF16);
    spec.attributes.set("g_dims", ir::DimList{{n, pool.mul(n, four), pool.constant(-1)}});
    spec.attributes.set("h_tensor", ir::makeConstantI64({2}, {8, 9}));
    spec.attributes.set("i_dims", ir::DimList{{four}});
    spec.outputTypes = {{ir::ValueKind::kTensor, ir::DataType::kI64, false, {}}};
    spec.source = ir::SourceSet("layer");
    editor.addOutput(editor.addNode(spec)->output(0));
    return graph;
}

void expectRich(module::GraphView view) {
    ASSERT_EQ(view.nodeCount(), 2U) << "the const node is no node of the picture";
    ASSERT_EQ(view.inputs().size(), 1U);
    const module::NodeView first = view.node(0);
    EXPECT_EQ(first.op(), "transpose");
    EXPECT_EQ(first.inputCount(), 3);
    EXPECT_FALSE(first.hasInput(1));
    EXPECT_FALSE(first.input(1));
    EXPECT_FALSE(first.hasInput(7));
    EXPECT_TRUE(first.input(2).isConstant());
    EXPECT_THAT(first.input(2).data<float>(), ElementsAre(1.5F, 2.5F));
    EXPECT_TRUE(first.input(2).data<double>().empty()) << "elements of another size";
    EXPECT_THAT(first.ints("perm"), ElementsAre(1, 0));
    EXPECT_THAT(first.intsOr("strides", 2, 1), ElementsAre(1, 1));
    const module::ValueView x = first.input(0);
    EXPECT_THAT(x.minExtents(), ElementsAre(1, 4));
    EXPECT_THAT(x.optExtents(), ElementsAre(8, 4));
    EXPECT_THAT(x.maxExtents(), ElementsAre(32, 4));
    EXPECT_EQ(x.maxElements(), 128);
    EXPECT_FALSE(x.isStatic());
    EXPECT_TRUE(x.isStatic(-1));
    EXPECT_EQ(x.dim(0).expr, first.output(0).dim(1).expr) << "equal handles, equal extents";

    const module::NodeView second = view.node(1);
    EXPECT_TRUE(second.isFamily("test"));
    EXPECT_FALSE(second.isFamily("tes"));
    EXPECT_EQ(second.inputIndex(0), second.inputIndex(1));
    EXPECT_EQ(second.intOr("a_int", 0), -3);
    EXPECT_EQ(second.intOr("missing", 9), 9);
    EXPECT_EQ(second.floatOr("b_float", 0), 0.25);
    EXPECT_EQ(second.floatOr("a_int", 0), -3.0);
    EXPECT_EQ(second.stringOr("c_string", ""), "text");
    EXPECT_THAT(second.floats("d_floats"), ElementsAre(1, 2.5));
    EXPECT_THAT(second.strings("e_strings"), ElementsAre("p", "qq"));
    EXPECT_EQ(second.dtypeOr("f_dtype", TN_F32), TN_F16);
    const module::DimsAttribute dims = second.dims("g_dims");
    ASSERT_TRUE(dims);
    ASSERT_EQ(dims.size(), 3U);
    EXPECT_EQ(dims.dim(1).min, 4);
    EXPECT_EQ(dims.dim(1).opt, 32);
    EXPECT_EQ(dims.dim(1).max, 128);
    EXPECT_FALSE(dims.isStatic());
    EXPECT_EQ(dims.firstScalar(), 0);
    EXPECT_EQ(second.dims("i_dims").firstScalar(), 3);
    const int64_t scalars[] = {5, 20, -1, 4};
    EXPECT_THAT(dims.values(scalars), ElementsAre(5, 20, -1));
    EXPECT_THAT(second.dims("i_dims").values(scalars), ElementsAre(4));
    EXPECT_FALSE(second.dims("a_int"));
    EXPECT_THAT(second.tensor("h_tensor").data<int64_t>(), ElementsAre(8, 9));
    EXPECT_FALSE(second.output(0).hasRank());

    const module::GraphIndex index(view);
    EXPECT_EQ(index.producer(first.outputIndex(0)), 0);
    EXPECT_EQ(index.producer(first.inputIndex(0)), -1);
    EXPECT_THAT(index.consumers(first.outputIndex(0)), ElementsAre(1, 1));
    EXPECT_FALSE(index.hasSingleUse(first.outputIndex(0)));
    EXPECT_TRUE(index.isOutput(second.outputIndex(0)));
}

TEST(ModuleGraphView, SeesTheWholePicture) {
    const std::unique_ptr<ir::Graph> graph = richGraph();
    const GraphPicture picture = GraphPicture::of(*graph).value();
    expectRich(module::GraphView(&picture.graph()));
    const TnTask task = picture.task();
    const module::TaskView view(&task);
    EXPECT_FALSE(view.isSingleNode());
    EXPECT_TRUE(view.mayComputeIn(TN_F32));
    EXPECT_FALSE(view.mayComputeIn(TN_BF16));
    EXPECT_EQ(view.inputPort(picture.graph().nodes[0].inputs[0]), 0);
    EXPECT_EQ(view.inputPort(picture.graph().nodes[0].outputs[0]), -1);
    EXPECT_TRUE(view.offered(0).empty());
}

TEST(ModuleOwnedGraph, CopiesAndTravels) {
    const std::unique_ptr<ir::Graph> graph = richGraph();
    OwnedGraph copy;
    std::vector<std::byte> bytes;
    {
        const GraphPicture picture = GraphPicture::of(*graph).value();
        copy = OwnedGraph::copyOf(module::GraphView(&picture.graph()));
        BlobWriter out(1);
        module::writeGraph(out, module::GraphView(&picture.graph()));
        bytes.assign(out.data().begin(), out.data().end());
        BlobWriter again(1);
        module::writeGraph(again, copy.graph());
        EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), again.data().begin(), again.data().end()));
    }
    expectRich(copy.graph());
    EXPECT_EQ(copy.graph().node(0).name(), "first");
    OwnedGraph read;
    {
        BlobReader in(bytes, 1);
        read = module::readGraph(in);
        TextSink text;
        Reason reason(text.sink());
        ASSERT_TRUE(in.finish(reason)) << text.text();
        bytes.assign(bytes.size(), std::byte{0xff}); // nothing of the blob is needed any more
    }
    expectRich(read.graph());
    EXPECT_EQ(read.graph().node(0).name(), "") << "names do not travel: equal tasks are equal bytes";
}

TEST(ModuleOwnedGraph, SurvivesDamage) {
    const std::unique_ptr<ir::Graph> graph = richGraph();
    const GraphPicture picture = GraphPicture::of(*graph).value();
    BlobWriter out(1);
    module::writeGraph(out, module::GraphView(&picture.graph()));
    const std::vector<std::byte> good(out.data().begin(), out.data().end());
    for (size_t size = 0; size < good.size(); ++size) {
        BlobReader in(std::span<const std::byte>(good).first(size), 1);
        OwnedGraph read = module::readGraph(in);
        EXPECT_FALSE(in.ok()) << size;
        EXPECT_EQ(read.graph().nodeCount(), 0U);
    }
    std::mt19937 random(11);
    for (int round = 0; round < 5000; ++round) {
        std::vector<std::byte> bytes = good;
        for (int change = 0; change < 2; ++change) {
            bytes[8 + random() % (bytes.size() - 8)] = static_cast<std::byte>(random() % 256);
        }
        BlobReader in(bytes, 1);
        OwnedGraph read = module::readGraph(in);
        if (in.ok()) { // whatever it says can be walked
            const module::GraphView view = read.graph();
            const module::GraphIndex index(view);
            for (size_t i = 0; i < view.nodeCount(); ++i) {
                for (int32_t input = 0; input < view.node(i).inputCount(); ++input) {
                    EXPECT_TRUE(!view.node(i).hasInput(input) || view.node(i).input(input));
                }
            }
        }
    }
}

} // namespace
} // namespace tenon::registry
