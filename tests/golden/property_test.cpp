// Random graphs through the standard pipeline: the verifiers hold after every pass, the passes come to an end, and the results stay the same.
#include "core/ir/editor.h"
#include "core/ir/printer.h"
#include "core/passes/pipeline.h"
#include "core/passes/region.h"
#include "core/support/env.h"
#include "core/support/text.h"
#include "tests/golden/interpreter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

namespace tenon::golden {
namespace {

using ir::DimExpr;
using ir::Value;

class RandomGraph {
public:
    explicit RandomGraph(uint32_t seed)
        : mRandom(seed), mGraph(std::make_unique<ir::Graph>("random")), mEditor(*mGraph) {}

    std::unique_ptr<ir::Graph> make() {
        const DimExpr n = mGraph->pool().symbol({"N", ir::SymbolSource::kInputDim, 0, 0, {1, 8}});
        for (int i = 0; i < 2; ++i) {
            ir::TensorType type;
            type.dims = {n, constant(2), constant(below(2) == 0 ? 3 : 4), constant(2 + below(2))};
            mValues.push_back(mEditor.addInput("x", type));
        }
        for (int steps = 6 + below(14); steps > 0; --steps) {
            step();
        }
        // Values that nobody reads, and some that others read too.
        for (Value* value : mValues) {
            if (value->producer() != nullptr && (value->uses().empty() || below(8) == 0)) {
                mEditor.addOutput(value);
            }
        }
        if (mGraph->outputs().empty()) {
            mEditor.addOutput(mValues.back());
        }
        return std::move(mGraph);
    }

private:
    int below(int end) { return static_cast<int>(mRandom() % static_cast<uint32_t>(end)); }
    DimExpr constant(int64_t value) { return mGraph->pool().constant(value); }
    Value* pick() { return mValues[static_cast<size_t>(below(static_cast<int>(mValues.size())))]; }

    // A value of the same extents; the value itself if there is no other.
    Value* pickLike(Value& x) {
        for (int tries = 0; tries < 8; ++tries) {
            Value* const other = pick();
            if (other->type().dims == x.type().dims) {
                return other;
            }
        }
        return &x;
    }

    // Null where inference refuses the idea.
    Value* add(const std::string& op, std::vector<Value*> inputs, ir::AttributeMap attributes = {}) {
        std::vector<ops::InferInput> known;
        for (const Value* input : inputs) {
            known.push_back({true, input->type(), input->contents(), input->constant()});
        }
        const ops::OpRegistry& ops = ops::OpRegistry::builtin();
        ops::InferContext context(attributes, std::move(known), 1, mGraph->pool());
        if (!ops.infer(*ops.find(op), context).ok()) {
            return nullptr;
        }
        // Only what holds for every N: extents that must divide or agree by luck make no graph.
        for (const DimExpr extent : context.outputs()[0].type.dims) {
            if (!extent.valid() || mGraph->pool().toText(extent).find("div") != std::string::npos) {
                return nullptr;
            }
        }
        ir::NodeSpec spec;
        spec.op = op;
        spec.inputs = std::move(inputs);
        spec.attributes = std::move(attributes);
        spec.outputTypes = {context.outputs()[0].type};
        spec.source = ir::SourceSet(op);
        Value* const made = mEditor.addNode(std::move(spec))->output(0);
        mEditor.setContents(made, context.outputs()[0].contents);
        mValues.push_back(made);
        return made;
    }

    Value* weights(std::vector<int64_t> dims) {
        int64_t count = 1;
        for (const int64_t extent : dims) {
            count *= extent;
        }
        std::vector<float> values;
        for (int64_t i = 0; i < count; ++i) {
            values.push_back(static_cast<float>(below(9) - 4) / 2);
        }
        auto data = std::make_shared<ir::Constant>(*ir::makeConstantF32(std::move(dims), values));
        data->weightsName = below(2) == 0 ? support::cat("w", below(100)) : "";
        return mEditor.addConstant(data, "w", ir::SourceSet("w"));
    }

    static ir::AttributeMap with(std::string name, ir::AttributeValue value) {
        ir::AttributeMap attributes;
        attributes.set(std::move(name), std::move(value));
        return attributes;
    }

    // A constant that broadcasts to the value.
    Value* factorFor(const Value& x) {
        std::vector<int64_t> dims;
        for (size_t i = static_cast<size_t>(below(static_cast<int>(x.type().dims.size()) + 1));
             i < x.type().dims.size(); ++i) {
            const DimExpr extent = x.type().dims[i];
            const bool known = mGraph->pool().isConstant(extent);
            dims.push_back(known && below(3) != 0 ? mGraph->pool().constantValue(extent) : 1);
        }
        return weights(std::move(dims));
    }

    std::vector<int64_t> permutation(int32_t rank) {
        std::vector<int64_t> perm(static_cast<size_t>(rank));
        for (size_t i = 0; i < perm.size(); ++i) {
            perm[i] = static_cast<int64_t>(i);
        }
        std::shuffle(perm.begin(), perm.end(), mRandom);
        return perm;
    }

    void step() {
        Value* const x = pick();
        const int32_t rank = x->type().rank();
        switch (below(16)) {
        case 0:
        case 1:
        case 2:
            add("transpose", {x}, with("perm", permutation(rank)));
            break;
        case 3: {
            static const char* const kOps[] = {"activation.relu", "activation.sigmoid", "unary.neg", "unary.abs",
                                               "identity"};
            add(kOps[below(5)], {x});
            break;
        }
        case 4:
        case 5: {
            static const char* const kOps[] = {"binary.add", "binary.mul", "binary.sub", "binary.max"};
            Value* const c = factorFor(*x);
            const bool left = below(4) == 0;
            add(kOps[below(4)], left ? std::vector<Value*>{c, x} : std::vector<Value*>{x, c});
            break;
        }
        case 6: {
            static const char* const kOps[] = {"binary.add", "binary.mul"};
            add(kOps[below(2)], {x, pickLike(*x)});
            break;
        }
        case 7: {
            ir::DimList shape;
            shape.dims = {constant(below(2) == 0 ? 0 : -1), constant(below(2) == 0 ? 2 : 4), constant(-1)};
            shape.dims.resize(static_cast<size_t>(2 + below(2)));
            add("reshape", {x}, with("shape", shape));
            break;
        }
        case 8:
            add(below(2) == 0 ? "flatten" : "unsqueeze", {x},
                below(2) == 0 ? ir::AttributeMap() : with("axes", std::vector<int64_t>{below(3)}));
            break;
        case 9: {
            ir::AttributeMap attributes = with("axes", std::vector<int64_t>{below(std::max(rank, 1))});
            attributes.set("keep_dims", int64_t{below(2)});
            add(below(2) == 0 ? "reduce.sum" : "reduce.max", {x}, std::move(attributes));
            break;
        }
        case 10:
            add("softmax", {x}, with("axis", int64_t{below(std::max(rank, 1))}));
            break;
        case 11:
            add("concat", {x, pickLike(*x)}, with("axis", int64_t{below(std::max(rank, 1))}));
            break;
        case 12: {
            const DimExpr last = rank > 0 ? x->type().dims.back() : DimExpr{};
            if (rank > 1 && mGraph->pool().isConstant(last)) {
                const int64_t depth = mGraph->pool().constantValue(last);
                const bool transposed = below(2) == 0;
                add("matmul",
                    {x, weights(transposed ? std::vector<int64_t>{3, depth} : std::vector<int64_t>{depth, 3})},
                    with("trans_b", int64_t{transposed}));
            }
            break;
        }
        case 13:
        case 14: {
            const DimExpr channels = rank >= 3 ? x->type().dims[1] : DimExpr{};
            if (!mGraph->pool().isConstant(channels)) {
                break;
            }
            const int64_t c = mGraph->pool().constantValue(channels);
            const int64_t groups = c % 2 == 0 && below(2) == 0 ? 2 : 1;
            const bool deconv = below(3) == 0;
            std::vector<int64_t> dims = deconv ? std::vector<int64_t>{c, 2} : std::vector<int64_t>{2, c / groups};
            dims.resize(static_cast<size_t>(rank), 1 + below(2));
            ir::AttributeMap attributes = with("group", groups);
            if (below(2) == 0) {
                attributes.set("pads", std::vector<int64_t>(static_cast<size_t>(2 * (rank - 2)), below(2)));
            }
            std::vector<Value*> inputs{x, weights(std::move(dims))};
            if (below(2) == 0) {
                inputs.push_back(weights({deconv ? 2 * groups : 2}));
            }
            add(deconv ? "deconv" : "conv", std::move(inputs), std::move(attributes));
            break;
        }
        default: {
            const DimExpr channels = rank >= 2 ? x->type().dims[1] : DimExpr{};
            if (mGraph->pool().isConstant(channels)) {
                const int64_t c = mGraph->pool().constantValue(channels);
                std::vector<float> variance(static_cast<size_t>(c), 2.0F);
                Value* const var = mEditor.addConstant(ir::makeConstantF32({c}, variance), "var", ir::SourceSet("var"));
                add("batch_norm", {x, weights({c}), weights({c}), weights({c}), var});
            }
        }
        }
    }

    std::mt19937 mRandom;
    std::unique_ptr<ir::Graph> mGraph;
    ir::GraphEditor mEditor;
    std::vector<Value*> mValues;
};

std::vector<Tensor> inputsOf(const ir::Graph& graph, const std::vector<int64_t>& symbols) {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> numbers(-1, 1);
    std::vector<Tensor> inputs;
    for (const Value* input : graph.inputs()) {
        Tensor tensor{extentsOf(graph.pool(), input->type(), symbols), {}};
        int64_t count = 1;
        for (const int64_t extent : tensor.dims) {
            count *= extent;
        }
        for (int64_t i = 0; i < count; ++i) {
            tensor.values.push_back(numbers(random));
        }
        inputs.push_back(std::move(tensor));
    }
    return inputs;
}

// One value leaves (of siblings one each, of a sum before a norm perhaps two), and no path leaves and comes back.
void checkRegion(const ir::Graph& graph, const passes::Region& region) {
    const std::set<const ir::Node*> members(region.nodes.begin(), region.nodes.end());
    ASSERT_EQ(members.size(), region.nodes.size()) << region.label;
    std::set<const ir::Node*> outside; // nodes outside that depend on a member
    int leaving = 0;
    for (const ir::Node* node : graph.nodes()) {
        const bool isMember = members.count(node) != 0;
        for (const Value* input : node->inputs()) {
            const ir::Node* const producer = input != nullptr ? input->producer() : nullptr;
            if (producer == nullptr) {
                continue;
            }
            if (isMember) {
                ASSERT_EQ(outside.count(producer), 0u) << region.label << " is not convex";
            } else if (members.count(producer) != 0 || outside.count(producer) != 0) {
                outside.insert(node);
            }
        }
        if (isMember) {
            bool leaves = node->output(0)->isGraphOutput();
            for (const ir::Use& use : node->output(0)->uses()) {
                leaves = leaves || members.count(use.node) == 0;
            }
            leaving += leaves ? 1 : 0;
            ASSERT_NE(node->op(), "const");
        }
    }
    const bool mayHaveSeveral = region.label.compare(0, 7, "sibling") == 0 || region.label.compare(0, 4, "add+") == 0;
    ASSERT_TRUE(leaving == 1 || (mayHaveSeveral && leaving > 1)) << region.label;
    ASSERT_TRUE(region.body == nullptr || static_cast<int>(region.outputs.size()) == leaving) << region.label;
}

TEST(PipelineProperty, RandomGraphsKeepTheirResults) {
    // More on request, when a pass was changed.
    int64_t seeds = 120;
    support::parseInt(support::readEnv("TENON_PROPERTY_SEEDS").value_or(""), seeds);
    for (uint32_t seed = 0; seed < static_cast<uint32_t>(seeds); ++seed) {
        SCOPED_TRACE(seed);
        const auto graph = RandomGraph(seed).make();
        const auto before = graph->clone();
        ir::Graph weights("weights", graph->poolPtr());
        SmallEvaluator evaluator;
        passes::PassContext context{*graph, ops::OpRegistry::builtin(), &weights, &evaluator};
        const support::Status status = passes::runPipeline(context, passes::Verify::kAfterEach);
        ASSERT_TRUE(status.ok()) << status.toString() << "\n" << ir::print(*before, {64});
        for (const passes::Pass& pass : passes::allPasses()) {
            const auto again = passes::runPass(context, pass, passes::Verify::kAfterEach);
            ASSERT_TRUE(again.ok() && !*again) << pass.name << " is not done\n"
                                               << ir::print(*before, {64}) << ir::print(*graph, {64});
        }
        const std::vector<int64_t> symbols(graph->pool().symbols().size(), 2 + seed % 3);
        const auto inputs = inputsOf(*before, symbols);
        const auto expected = computeGraph(*before, inputs, symbols);
        const auto actual = computeGraph(*graph, inputs, symbols);
        ASSERT_TRUE(expected.ok()) << expected.status().toString();
        ASSERT_TRUE(actual.ok()) << actual.status().toString();
        for (size_t o = 0; o < expected->size(); ++o) {
            ASSERT_EQ((*expected)[o].dims, (*actual)[o].dims);
            double scale = 1;
            for (const double value : (*expected)[o].values) {
                scale = std::max(scale, std::fabs(value));
            }
            for (size_t i = 0; i < (*expected)[o].values.size(); ++i) {
                ASSERT_NEAR((*expected)[o].values[i], (*actual)[o].values[i], 1e-3 * scale)
                    << "output " << o << "\n"
                    << ir::print(*before, {64}) << ir::print(*graph, {64});
            }
        }
        for (const passes::Region& region : passes::collectRegions(*graph)) {
            checkRegion(*graph, region);
        }
    }
}

} // namespace
} // namespace tenon::golden
