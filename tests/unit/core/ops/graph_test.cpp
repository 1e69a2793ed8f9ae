// Inference over whole graphs: how exporters compute shapes, regions, what stays recorded, errors with their node, the
// verifier.
#include "tests/unit/core/ops/op_cases.h"

#include "core/ir/editor.h"
#include "core/ir/parser.h"
#include "core/ops/op_registry.h"
#include "core/ops/verify.h"

#include <gtest/gtest.h>

namespace tenon::ops::testing {
namespace {

TEST(GraphInference, ShapeGatherUnsqueezeConcatReshape) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N,16,H,W]) {
        %s = shape(%x) : i64[*]
        %i = const i64[] [0]
        %n = gather(%s, %i) {axis=0} : i64[*]
        %axes = const i64[1] [0]
        %u = unsqueeze(%n, %axes) : i64[*]
        %rest = const i64[1] [-1]
        %shape = concat(%u, %rest) {axis=0} : i64[*]
        %y = reshape(%x, %shape) : f32[*]
        return %y
      })",
                              "y"),
              "f32[N,H*W*16]");
}

TEST(GraphInference, ShapeSliceConcatExpand) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[B,S,64], %mask: f32[1,1,S]) {
        %s = shape(%x) : i64[*]
        %zero = const i64[1] [0]
        %one = const i64[1] [1]
        %two = const i64[1] [2]
        %b = slice(%s, %zero, %one, %zero) : i64[*]
        %len = slice(%s, %one, %two, %zero) : i64[*]
        %shape = concat(%b, %len, %len) {axis=0} : i64[*]
        %y = expand(%mask, %shape) : f32[*]
        return %y
      })",
                              "y"),
              "f32[B,S,S]");
}

TEST(GraphInference, ExpandWithMinusOneReplaced) {
    // Minus one means "as it is"; the exporter replaces it by 1 through where and equal.
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[1,4,1], %like: f32[B,4,S]) {
        %s = shape(%like) {start=2} : i64[*]
        %b = shape(%like) {end=1} : i64[*]
        %minus = const i64[1] [-1]
        %want = concat(%b, %minus, %s) {axis=0} : i64[*]
        %length = const i64[1] [3]
        %ones = fill(%length) {value=const i64[1] [1]} : i64[*]
        %negative = const i64[] [-1]
        %marks = binary.mul(%ones, %negative) : i64[*]
        %is = binary.equal(%want, %marks) : bool[*]
        %shape = where(%is, %ones, %want) : i64[*]
        %y = expand(%x, %shape) : f32[*]
        return %y
      })",
                              "y"),
              "f32[B,4,S]");
}

TEST(GraphInference, ResizeToComputedSizes) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N,8,H,W], %like: f32[N,4,H2,W2]) {
        %s = shape(%x) : i64[*]
        %t = shape(%like) {start=2, end=4} : i64[*]
        %zero = const i64[1] [0]
        %two = const i64[1] [2]
        %nc = slice(%s, %zero, %two, %zero) : i64[*]
        %sizes = concat(%nc, %t) {axis=0} : i64[*]
        %y = resize(%x, %sizes) {mode="linear"} : f32[*]
        return %y
      })",
                              "y"),
              "f32[N,8,H2,W2]");
}

TEST(GraphInference, ResizeThroughFloats) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N,8,H,W]) {
        %s = shape(%x) {start=2, end=4} : i64[*]
        %f = cast(%s) {to=f32} : f32[*]
        %scale = const f32[2] [2.0, 4.0]
        %m = binary.mul(%f, %scale) : f32[*]
        %fl = unary.floor(%m) : f32[*]
        %i = cast(%fl) {to=i64} : i64[*]
        %nc = shape(%x) {end=2} : i64[*]
        %sizes = concat(%nc, %i) {axis=0} : i64[*]
        %y = resize(%x, %sizes) : f32[*]
        return %y
      })",
                              "y"),
              "f32[N,8,H*2,W*4]");
}

TEST(GraphInference, PadComputedFromAPaddingList) {
    // reverse of [w0, w1, h0, h1] followed by zeros, as pairs: slice backwards over a matrix, transposed and flattened.
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N,3,H,W]) {
        %list = const i64[4] [1, 2, 3, 4]
        %four = const i64[1] [4]
        %zeros = fill(%four) {value=const i64[1] [0]} : i64[*]
        %all = concat(%list, %zeros) {axis=0} : i64[*]
        %pairs = const i64[2] [-1, 2]
        %m = reshape(%all, %pairs) : i64[*]
        %r = slice(%m) {starts=dims[-1], ends=dims[-9223372036854775807], axes=[0], steps=[-1]} : i64[*]
        %t = transpose(%r) {perm=[1, 0]} : i64[*]
        %flat = const i64[1] [-1]
        %pads = reshape(%t, %flat) : i64[*]
        %y = pad(%x, %pads) : f32[*]
        return %y
      })",
                              "y"),
              "f32[N,3,H+7,W+3]");
}

TEST(GraphInference, PositionTableOfTransformers) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%ids: i64[B,S]) {
        %table = const f32[512,64] splat 0
        %words = const f32[1000,64] splat 0
        %positions = const i64[1,512] splat 0
        %s = shape(%ids) {start=1, end=2} : i64[*]
        %zero = const i64[1] [0]
        %one = const i64[1] [1]
        %cut = slice(%positions, %zero, %s, %one) : i64[*]
        %p = gather(%table, %cut) : f32[*]
        %w = gather(%words, %ids) : f32[*]
        %y = binary.add(%w, %p) : f32[*]
        return %y
      })",
                              "y"),
              "f32[B,S,64]");
}

TEST(GraphInference, AttentionHeads) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[B,S,768], %mask: f32[B,1,1,S]) {
        %q = reshape(%x) {shape=dims[0, 0, 12, 64]} : f32[*]
        %qt = transpose(%q) {perm=[0, 2, 1, 3]} : f32[*]
        %scores = matmul(%qt, %qt) {trans_b=1} : f32[*]
        %masked = binary.add(%scores, %mask) : f32[*]
        %p = softmax(%masked) : f32[*]
        %o = matmul(%p, %qt) : f32[*]
        %ot = transpose(%o) {perm=[0, 2, 1, 3]} : f32[*]
        %y = reshape(%ot) {shape=dims[0, 0, 768]} : f32[*]
        return %y
      })",
                              "y"),
              "f32[B,S,768]");
}

TEST(GraphInference, FeaturePyramidAddsWhatItUpsamples) {
    // Extents that rounding keeps apart: the sum takes either, and the result has an exact expression.
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[1,8,H,8]) {
        %down = pool.max(%x) {kernel=[2, 2], strides=[2, 2]} : f32[*]
        %up = resize(%down) {scales=[1.0, 1.0, 2.0, 2.0]} : f32[*]
        %y = binary.add(%x, %up) : f32[*]
        return %y
      })",
                              "up"),
              "f32[1,8,max(floordiv(H,2),1)*2,8]");
}

TEST(GraphInference, UnbackedExtentsStayTheSame) {
    // inferredInGraph infers twice; the symbol of the first time is kept.
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N], %k: i64[1]) {
        %v, %i = topk(%x, %k) : f32[*], i64[*]
        %y = binary.add(%v, %v) : f32[*]
        return %y
      })",
                              "y"),
              "f32[u_k_1]");
}

TEST(GraphInference, RegionsOfFusedNodes) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N,4], %w: f32[4,5]) {
        %f = fused(%x, %w) {pattern="test"} region @body(%a: f32[*], %b: f32[*]) {
            %m = matmul(%a, %b) : f32[*]
            %r = activation.relu(%m) : f32[*]
            return %r
        } : f32[*]
        return %f
      })",
                              "f"),
              "f32[N,5]");
}

TEST(GraphInference, PluginsKeepWhatIsRecorded) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N,4]) {
        %p = plugin(%x) {type="Swirl"} : f16[N,7]
        %y = unary.exp(%p) : f16[*]
        return %y
      })",
                              "y"),
              "f16[N,7]");
}

TEST(GraphInference, ErrorsNameTheNodeAndItsSource) {
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N,4], %w: f32[5,5]) {
        %m = matmul(%x, %w) : f32[*] from("/head/MatMul")
        return %m
      })",
                              "m"),
              "error: InvalidArgument: matmul: inner extents differ: 4 (operand 0, dim 1) and 5 (operand 1, dim 0) of "
              "shapes [N, 4] and [5, 5] "
              "(while inferring node 'm' of /head/MatMul)");
    EXPECT_EQ(inferredInGraph(R"(graph @g(%x: f32[N]) {
        %m = acme.swirl(%x) : f32[*]
        return %m
      })",
                              "m"),
              "error: NotFound: there is no op 'acme.swirl'; a module that defines it may be missing (while inferring "
              "node 'm')");
}

std::string verified(std::string_view text) {
    auto graph = ir::parseGraph(text);
    return graph.ok() ? verifyOps(OpRegistry::builtin(), **graph).toString() : graph.status().toString();
}

TEST(OpVerifier, AcceptsMorePreciseAndUnknownExtents) {
    EXPECT_EQ(verified(R"(graph @g(%x: f32[N,4], %k: i64[1]) {
        %v, %i = topk(%x, %k) : f32[N,3], i64[N,?]
        %y = unary.exp(%x) : f32[2,4]
        %z = unary.exp(%x) : f32[*]
        return %v, %y, %z
      })"),
              "Ok");
}

TEST(OpVerifier, RefusesContradictions) {
    EXPECT_EQ(verified(R"(graph @g(%x: f32[N,4]) {
        %y = unary.exp(%x) : f32[N,5]
        return %y
      })"),
              "Internal: output 0 ('y') is recorded as f32[N, 5], but inference gives f32[N, 4] (while verifying node "
              "'y' (unary.exp))");
    EXPECT_EQ(verified(R"(graph @g(%x: f32[N,4]) {
        %y = unary.exp(%x) : f16[N,4]
        return %y
      })"),
              "Internal: output 0 ('y') is recorded as f16[N, 4], but inference gives f32[N, 4] (while verifying node "
              "'y' (unary.exp))");
    EXPECT_EQ(verified(R"(graph @g(%x: f32[N,4]) {
        %y = unary.exp(%x) {base=2} : f32[N,4]
        return %y
      })"),
              "InvalidArgument: unary.exp: there is no attribute 'base'; this op has none (while inferring node 'y'; "
              "while verifying node 'y' (unary.exp))");
    EXPECT_EQ(
        verified(R"(graph @g(%x: f32[N,4]) {
        %f = fused(%x) region @body(%a: f32[N,5]) {
            %r = activation.relu(%a) : f32[N,5]
            return %r
        } : f32[N,4]
        return %f
      })"),
        "Internal: input 0 of its region is f32[N, 5], but operand 0 is f32[N, 4] (while verifying node 'f' (fused))");
}

TEST(OpRegistry, SortedUniqueAndDocumented) {
    const OpRegistry& registry = OpRegistry::builtin();
    const OpDef* previous = nullptr;
    for (const OpDef* def : registry.all()) {
        EXPECT_TRUE(previous == nullptr || previous->name < def->name) << def->name;
        EXPECT_EQ(registry.find(def->name), def);
        EXPECT_FALSE(def->doc.empty()) << def->name;
        EXPECT_FALSE(def->family.empty()) << def->name;
        for (const AttributeSpec& spec : def->attributes) {
            EXPECT_EQ(def->attribute(spec.name), &spec) << def->name;
        }
        for (const ShapeOperand& operand : def->shapeOperands) {
            const AttributeSpec* spec = def->attribute(operand.attribute);
            ASSERT_NE(spec, nullptr) << def->name;
            EXPECT_EQ(spec->kind, operand.kind) << def->name;
            EXPECT_TRUE(def->inputs[static_cast<size_t>(operand.input)].optional) << def->name;
        }
        previous = def;
    }
    EXPECT_EQ(registry.find("conv2d"), nullptr);
    EXPECT_EQ(registry.find(""), nullptr);
}

TEST(OpRegistry, ExtraOpsJoinButReplaceNothing) {
    OpDef swirl;
    swirl.name = "acme.swirl";
    swirl.inputs.push_back({"x", false, ""});
    swirl.infer = [](InferContext& context) {
        context.setOutput(0, context.input(0).type);
        return support::okStatus();
    };
    auto registry = OpRegistry::withExtra({swirl});
    ASSERT_TRUE(registry.ok());
    ASSERT_NE((*registry)->find("acme.swirl"), nullptr);
    EXPECT_NE((*registry)->find("conv"), nullptr);
    EXPECT_EQ(OpRegistry::builtin().find("acme.swirl"), nullptr);
    EXPECT_EQ(OpRegistry::withExtra({swirl, swirl}).status().message(),
              "op 'acme.swirl' cannot be registered: another module has registered it; ops of modules are named "
              "'<domain>.<op>'");
    swirl.name = "conv";
    EXPECT_EQ(OpRegistry::withExtra({swirl}).status().message(),
              "op 'conv' cannot be registered: it is a built-in op; ops of modules are named '<domain>.<op>'");
}

TEST(OpRegistry, InferenceThatForgetsAnOutputIsAnInternalError) {
    OpDef lazy;
    lazy.name = "acme.lazy";
    lazy.infer = [](InferContext&) { return support::okStatus(); };
    auto registry = OpRegistry::withExtra({lazy});
    ASSERT_TRUE(registry.ok());
    ir::ExprPool pool;
    const ir::AttributeMap attributes;
    InferContext context(attributes, {}, 1, pool);
    const support::Status status = (*registry)->infer(*(*registry)->find("acme.lazy"), context);
    EXPECT_EQ(status.code(), support::Code::kInternal);
    EXPECT_EQ(status.message(), "acme.lazy: inference left the type of output 0 open");
}

} // namespace
} // namespace tenon::ops::testing
