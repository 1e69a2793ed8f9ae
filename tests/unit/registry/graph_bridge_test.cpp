#include "registry/graph_bridge.h"

#include "core/ir/editor.h"
#include "core/ir/tensor_format.h"
#include "registry/host_guards.h"
#include "registry/text_sink.h"

#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GraphBridge : public testing::Test {
protected:
    GraphBridge() : graph("g"), editor(graph) {}

    ir::TensorType f32(std::vector<ir::DimExpr> dims) {
        return {ir::ValueKind::kTensor, ir::DataType::kF32, true, std::move(dims)};
    }
    ir::DimExpr number(int64_t value) { return graph.pool().constant(value); }
    ir::DimExpr symbol(const char* name, int64_t min, int64_t max) {
        ir::Symbol made;
        made.name = name;
        made.bounds = {min, max};
        return graph.pool().symbol(made);
    }
    ir::Node* unary(ir::Value* x, const char* op = "unary.exp") {
        ir::NodeSpec spec;
        spec.op = op;
        spec.inputs = {x};
        spec.outputTypes = {x->type()};
        spec.source = ir::SourceSet(op);
        return editor.addNode(std::move(spec));
    }

    ir::Graph graph;
    ir::GraphEditor editor;
};

TEST_F(GraphBridge, ProfileBoxBoundsExtents) {
    const ir::DimExpr n = symbol("N", 0, INT64_MAX);
    ir::Value* x = editor.addInput("x", f32({n, number(3)}));
    const ir::Node* node = unary(x);
    ir::SymbolBox box;
    box.bounds = {{2, 6}};
    box.opt = {4};
    PictureOptions options;
    options.box = &box;
    const GraphPicture picture = GraphPicture::ofNode(*node, options).value();
    const TnDim& dim = picture.graph().values[0].dims[0];
    EXPECT_EQ(dim.min, 2);
    EXPECT_EQ(dim.opt, 4);
    EXPECT_EQ(dim.max, 6);
    EXPECT_EQ(dim.expr, n.id);
    const GraphPicture free = GraphPicture::ofNode(*node).value();
    EXPECT_EQ(free.graph().values[0].dims[0].max, INT64_MAX);
    EXPECT_EQ(free.graph().values[0].dims[0].min, 0);
}

TEST_F(GraphBridge, ConstantsOfABody) {
    ir::Value* x = editor.addInput("x", f32({number(4)}));
    ir::Value* w = editor.addInput("w", f32({number(4)}));
    ir::NodeSpec spec;
    spec.op = "binary.add";
    spec.inputs = {x, w};
    spec.outputTypes = {x->type()};
    spec.source = ir::SourceSet("add");
    editor.addOutput(editor.addNode(spec)->output(0));
    PictureOptions options;
    options.inputConstants = {nullptr, ir::makeConstantF32({4}, {1, 2, 3, 4})};
    const auto constantOf = [&] { return GraphPicture::of(graph, options).value(); };
    {
        const GraphPicture picture = constantOf();
        EXPECT_EQ(picture.graph().values[0].is_constant, 0);
        EXPECT_EQ(picture.graph().values[1].is_constant, 1);
        ASSERT_NE(picture.graph().values[1].data, nullptr);
        EXPECT_EQ(static_cast<const float*>(picture.graph().values[1].data)[2], 3.0F);
    }
    options.maxShownBytes = 15;
    EXPECT_EQ(constantOf().graph().values[1].data, nullptr);
    EXPECT_EQ(constantOf().graph().values[1].is_constant, 1);
    options.maxShownBytes = 256;
    options.mayShow = [](const ir::Constant&) { return false; };
    EXPECT_EQ(constantOf().graph().values[1].data, nullptr) << "a refit may change it";
}

TEST_F(GraphBridge, ScalarsInOrder) {
    const ir::DimExpr n = symbol("N", 1, 9);
    ir::Value* x = editor.addInput("x", f32({n}));
    ir::NodeSpec spec;
    spec.op = "slice";
    spec.inputs = {x};
    spec.outputTypes = {x->type()};
    spec.source = ir::SourceSet("s");
    spec.attributes.set("starts", ir::DimList{{number(1)}});
    spec.attributes.set("ends", ir::DimList{{n}});
    ir::Node* first = editor.addNode(spec);
    spec.op = "reshape";
    spec.inputs = {first->output(0)};
    spec.attributes = {};
    spec.attributes.set("shape", ir::DimList{{n, number(7)}});
    ir::Node* second = editor.addNode(spec);
    ir::Graph* region = editor.addRegion(second, "inner");
    {
        ir::GraphEditor inner(*region);
        ir::Value* input = inner.addInput("i", f32({n}));
        spec.inputs = {input};
        spec.attributes.set("shape", ir::DimList{{number(5)}});
        inner.addOutput(inner.addNode(spec)->output(0));
    }
    spec.inputs = {second->output(0)};
    spec.attributes.set("shape", ir::DimList{{number(6)}});
    editor.addNode(spec);
    const GraphPicture picture = GraphPicture::of(graph).value();
    EXPECT_THAT(picture.scalars(), ElementsAre(n, number(1), n, number(7), number(5), number(6)))
        << "ends before starts: by name";
    const TnNode& node = picture.graph().nodes[1];
    EXPECT_EQ(node.attributes[0].first_scalar, 2);
    ASSERT_EQ(node.region_count, 1);
    EXPECT_EQ(node.regions[0]->nodes[0].attributes[0].first_scalar, 4);
    EXPECT_EQ(picture.graph().nodes[2].attributes[0].first_scalar, 5);
}

TEST_F(GraphBridge, SameInputOnce) {
    ir::Value* x = editor.addInput("x", f32({number(4)}));
    ir::NodeSpec spec;
    spec.op = "binary.mul";
    spec.inputs = {x, x};
    spec.outputTypes = {x->type()};
    spec.source = ir::SourceSet("mul");
    const GraphPicture picture = GraphPicture::ofNode(*editor.addNode(spec)).value();
    EXPECT_EQ(picture.graph().input_count, 1);
    EXPECT_EQ(picture.graph().nodes[0].inputs[0], picture.graph().nodes[0].inputs[1]);
}

TEST_F(GraphBridge, ValueFromNowhereIsAnError) {
    ir::Value* x = editor.addInput("x", f32({number(4)}));
    ir::Node* first = unary(x);
    ir::Node* second = unary(first->output(0));
    const auto picture = GraphPicture::ofNodes({second}, {}, {second->output(0)});
    ASSERT_FALSE(picture.ok());
    EXPECT_EQ(picture.code(), support::Code::kInternal);
    EXPECT_THAT(picture.status().message(), HasSubstr("is used before it is made, or is no input"));
}

// Proposals by hand, good and wrong in each way.
class Proposals : public GraphBridge {
protected:
    void SetUp() override {
        ir::Value* x = editor.addInput("x", f32({number(4)}));
        first = unary(x);
        second = unary(first->output(0), "unary.neg");
        editor.addOutput(second->output(0));
        picture = std::make_unique<GraphPicture>(GraphPicture::of(graph).value());

        for (TnValue& value : values) {
            value.struct_size = sizeof(TnValue);
            value.rank = 1;
        }
        node.struct_size = sizeof(node);
        node.op = toTn("unary.sqrt");
        node.input_count = node.output_count = 1;
        node.inputs = &zero;
        node.outputs = &one;
        body.struct_size = sizeof(body);
        body.node_count = 1;
        body.node_stride = sizeof(TnNode);
        body.nodes = &node;
        body.value_count = 2;
        body.value_stride = sizeof(TnValue);
        body.values = values;
        body.input_count = body.output_count = 1;
        body.inputs = &zero;
        body.outputs = &one;
        proposal.struct_size = sizeof(proposal);
        proposal.label = toTn("both");
        proposal.node_count = 2;
        proposal.nodes = nodes;
        proposal.body = &body;
        proposal.input_count = proposal.output_count = 1;
        proposal.inputs = &zero;
        proposal.outputs = &two;
    }
    support::Result<ImportedProposal> import() const {
        return importProposal(proposal, *picture, graph.poolPtr(), ops::OpRegistry::builtin());
    }

    ir::Node* first = nullptr;
    ir::Node* second = nullptr;
    std::unique_ptr<GraphPicture> picture;
    int32_t zero = 0;
    int32_t one = 1;
    int32_t two = 2;
    int32_t nodes[2] = {1, 0};
    TnValue values[2]{};
    TnNode node{};
    TnGraph body{};
    TnProposal proposal{};
};

TEST_F(Proposals, VerbatimAndWithBody) {
    auto imported = import();
    ASSERT_TRUE(imported.ok()) << imported.status().toString();
    EXPECT_THAT(imported->nodes, ElementsAre(first, second)) << "in the graph's order";
    ASSERT_EQ(imported->body->nodes().size(), 1U);
    EXPECT_EQ(imported->body->nodes()[0]->op(), "unary.sqrt");
    EXPECT_EQ(imported->body->outputs()[0]->type(), second->output(0)->type());
    EXPECT_EQ(imported->body->poolPtr(), graph.poolPtr());
    proposal.body = nullptr;
    imported = import();
    ASSERT_TRUE(imported.ok());
    EXPECT_EQ(imported->body, nullptr);
}

TEST_F(Proposals, Refused) {
    const auto why = [&] { return import().status().toString(); };
    const int32_t bad = 9;
    nodes[1] = 1;
    EXPECT_THAT(why(), HasSubstr("the region has no node, or one of them twice"));
    nodes[1] = bad;
    EXPECT_THAT(why(), HasSubstr("node 9 of 2 does not exist"));
    nodes[1] = 0;
    proposal.inputs = &bad;
    EXPECT_THAT(why(), HasSubstr("input value 9 of 3 does not exist"));
    proposal.inputs = &zero;
    proposal.input_count = 0;
    EXPECT_THAT(why(), HasSubstr("the body has 1 inputs and 1 outputs, the region 0 and 1"));
    proposal.input_count = 1;
    node.inputs = &bad;
    EXPECT_THAT(why(), HasSubstr("an input is value 9 of 2"));
    node.inputs = &one;
    EXPECT_THAT(why(), HasSubstr("value 1 of the body is used before it is made, and is no constant"));
    node.inputs = &zero;
    node.outputs = &zero;
    EXPECT_THAT(why(), HasSubstr("value 0 is made twice"));
    node.outputs = &one;
    node.op = toTn("no.such");
    EXPECT_THAT(why(), HasSubstr("no such op (in node 0 ('no.such') of the body)"));
    node.op = toTn("unary.isnan");
    EXPECT_THAT(why(), HasSubstr("output 0 of the body has another type than what it replaces"));
    node.op = toTn("unary.sqrt");
    body.value_count = -1;
    EXPECT_THAT(why(), HasSubstr("negative count or a null array"));
}

// The guards, on tasks and tactics made by hand.
class HostGuards : public GraphBridge {
protected:
    TnTactic tacticFor(const TnTask& task, TnTraits traits) {
        ports.assign(static_cast<size_t>(task.body->input_count + task.body->output_count), TnPortFormat{});
        for (size_t i = 0; i < ports.size(); ++i) {
            const auto inputs = static_cast<size_t>(task.body->input_count);
            const int32_t value = i < inputs ? task.body->inputs[i] : task.body->outputs[i - inputs];
            ports[i] = {task.body->values[value].dtype, TN_PLACEMENT_HOST,
                        ir::linearFormat(task.body->values[value].rank)};
        }
        TnTactic tactic{};
        tactic.struct_size = sizeof(tactic);
        tactic.name = toTn("t");
        tactic.inputs = ports.data();
        tactic.outputs = ports.data() + task.body->input_count;
        tactic.port_stride = sizeof(TnPortFormat);
        tactic.traits = traits;
        return tactic;
    }
    std::optional<std::string> refusal(const ir::TensorType& type, TnTraits traits = 0) {
        const GraphPicture picture = GraphPicture::ofNode(*unary(editor.addInput("x", type))).value();
        const TnTask task = picture.task();
        return refuse(task, tacticFor(task, traits));
    }

    std::vector<TnPortFormat> ports;
};

TEST_F(HostGuards, Extents) {
    EXPECT_EQ(refusal(f32({number(4)})), std::nullopt);
    EXPECT_EQ(refusal(f32({number(INT32_MAX)})), std::nullopt);
    EXPECT_EQ(refusal(f32({number(INT32_MAX), symbol("A", 1, 2)})),
              "input 0 may have more than 2147483647 elements, and the tactic does not declare any_extent");
    EXPECT_EQ(refusal(f32({number(INT32_MAX), symbol("A", 1, 2)}), TN_TRAIT_ANY_EXTENT), std::nullopt);
    EXPECT_EQ(refusal(f32({symbol("B", 0, 8)})), "input 0 may be empty, and the tactic does not declare any_extent");
    EXPECT_EQ(refusal(f32({number(0), number(1)})), "input 0 may be empty, and the tactic does not declare any_extent");
    EXPECT_EQ(refusal(f32({})), std::nullopt) << "a scalar has one element";
}

TEST_F(HostGuards, SubByteAndPitch) {
    ir::TensorType type = f32({number(4)});
    type.dtype = ir::DataType::kI4;
    EXPECT_EQ(refusal(type), "input 0 has elements below 8 bits (i4), and the tactic does not declare sub_byte");
    EXPECT_EQ(refusal(type, TN_TRAIT_SUB_BYTE), std::nullopt);

    const GraphPicture picture =
        GraphPicture::ofNode(*unary(editor.addInput("x", f32({number(4), number(2)})))).value();
    const TnTask task = picture.task();
    TnTactic tactic = tacticFor(task, 0);
    ports[1].format.outer_pitch = 16;
    EXPECT_EQ(refuse(task, tactic), "output 0 has an outer pitch, and the tactic does not declare outer_pitch");
    ports[1].format.outer_pitch = 0;
    ports[1].format.alignment = 4096;
    EXPECT_EQ(refuse(task, tactic), "output 0 wants an alignment of 4096 bytes; this host's memory has 64");
    ports[1].format.alignment = 0;
    EXPECT_EQ(refuse(task, tactic), std::nullopt);
    for (const TnTraits trait : {TN_TRAIT_UNTIMED, TN_TRAIT_BAKES_CONSTANTS, TN_TRAIT_TF32}) {
        tactic.traits = trait;
        EXPECT_NE(refuse(task, tactic), std::nullopt) << trait;
    }
    ports[1].format.outer_pitch = 16;
    tactic.traits = TN_TRAIT_OUTER_PITCH;
    EXPECT_EQ(refuse(task, tactic), std::nullopt);
}

TEST_F(HostGuards, MalformedTactics) {
    const GraphPicture picture =
        GraphPicture::ofNode(*unary(editor.addInput("x", f32({number(4), number(2)})))).value();
    TnTask task = picture.task();
    ProviderEntry provider;
    provider.name = "p";
    TnTactic tactic = tacticFor(task, 0);
    const auto why = [&] { return checkTactic(provider, task, tactic).value_or("fine"); };
    EXPECT_EQ(why(), "fine");
    ports[0].format = ir::linearFormat(3);
    EXPECT_EQ(why(), "input 0 has a format of rank 3, the tensor has rank 2");
    ports[0].format = ir::linearFormat(2);
    ports[1].format.order[0] = 5;
    EXPECT_EQ(why(), "output 0 has an impossible format");
    ports[1].format.order[0] = 0;
    ports[1].dtype = 77;
    EXPECT_EQ(why(), "output 0 has element type 77, which does not exist");
    ports[1].dtype = TN_F32;
    std::strcpy(ports[0].format.opaque_provider, "other");
    EXPECT_EQ(why(), "input 0 has an opaque layout of provider 'other'");
    provider.name = "other";
    EXPECT_EQ(why(), "fine");
    const int32_t alias = 1;
    tactic.may_alias = &alias;
    EXPECT_EQ(why(), "output 0 may take over input 1 of 1");
    tactic.may_alias = nullptr;
    const TnPortFormat wanted{TN_F16, TN_PLACEMENT_HOST, ir::linearFormat(2)};
    task.convert_to = &wanted;
    EXPECT_EQ(why(), "the output of the conversion is not the port that was asked for");
    tactic.inputs = nullptr;
    EXPECT_EQ(why(), "the tactic's table is too small, or has no ports");
}

} // namespace
} // namespace tenon::registry
