// Printer, parser and verifier together: exact round trip, and no text that brings the parser down.
#include "core/ir/editor.h"
#include "core/ir/half.h"
#include "core/ir/parser.h"
#include "core/ir/printer.h"
#include "core/ir/verifier.h"
#include "core/support/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

namespace tenon::ir {
namespace {

using ::testing::HasSubstr;

std::string reprint(const std::string& text) {
    const auto graph = parseGraph(text);
    EXPECT_TRUE(graph.ok()) << graph.status().toString() << "\n" << text;
    if (!graph.ok()) {
        return "";
    }
    const support::Status verified = verify(**graph);
    EXPECT_TRUE(verified.ok()) << verified.toString();
    return print(**graph);
}

std::string errorOf(const std::string& text) {
    const auto graph = parseGraph(text);
    return graph.ok() ? "none" : graph.status().message();
}

TEST(IrTextTest, EverythingThatCanBeSaidComesBack) {
    const std::string text =
        R"(graph @head(%x: f16[N,3,H*2+1], %shape: i64[2] contents[K, N], %l: seq<f32[*]>, %o: opt<i32[?,4]>) where N in [1..32] opt 8 from dim %x 0, H from dim %x 2, K in [-4..9] from element %shape 0, "batch size" in [3..] from dim 7 2, U in [..100] from data {
  %w = const f16[2,2] [1, -0.5, nan, inf] weights("fc.weight")
  %s = const f32[100] splat 0.25
  %i = const i64[2] [-9223372036854775808, 9223372036854775807]
  %b = const bool[3] [true, false, bits(7)]
  %"conv/weight:0" = conv(%x, %w, _, %w) {auto_pad="same_upper", empty=[], f=1.0, floats=[0.5, -inf], nofloats=floats[], nostrings=strings[], "odd name"=3, pads=[0, 1], shape=dims[N, -1, floordiv(H+1,2)], strings=["a", "b\n"], to=bf16, value=const i32[] [3]} : f32[N,?] quant(scale=const f32[2] [0.5, 0.25], zero=const i8[2] [0, 1], axis=1, block=32) name("conv") from("a", "b") precision(f16) output_types(_, f32) metadata("{\"k\": 1}") debug
  %a, %c = split(%x) {axis=1} : f16[N,1,H*2+1], f16[N,2,H*2+1]
  effect(%a) name("e")
  %f = fused(%a, %w) {pattern="matmul_epilogue"} region @body(%p: f16[N,1,H*2+1], %q: f16[2,2]) {
    %0 = matmul(%p, %q) {trans_b=1} : f16[N,1]
    return %0
  } region @"second body"() {
    return
  } : f16[N,1]
  return %f, %f, %x
}
)";
    EXPECT_EQ(reprint(text), text);
}

TEST(IrTextTest, HandWrittenTextMayBeShort) {
    EXPECT_EQ(
        reprint("graph @g(%x: f32[N,4]) { // comment\n %y = matmul(%x, %x) {trans_b=true}: f32[N,N]\n return %y }"),
        R"(graph @g(%x: f32[N,4]) where N from dim %x 0 {
  %y = matmul(%x, %x) {trans_b=1} : f32[N,N]
  return %y
}
)");
    EXPECT_EQ(reprint("graph @g(%x: f32[4,N]) where N in [1..8] { return %x }"),
              "graph @g(%x: f32[4,N]) where N in [1..8] from dim %x 1 {\n  return %x\n}\n");
}

TEST(IrTextTest, BoundsDoNotChangeWhatWasBuiltWithoutThem) {
    const std::string text = R"(graph @g(%x: f32[N]) where N in [4..8] from dim %x 0 {
  %y = slice(%x) : f32[max(N,2)]
  return %y
}
)";
    EXPECT_EQ(reprint(text), text);
    const auto graph = parseGraph(text);
    EXPECT_EQ((*graph)->pool().symbols()[0].bounds, (Interval{4, 8}));
}

TEST(IrTextTest, EveryBitPatternOfSmallTypesComesBack) {
    for (const DataType dtype :
         {DataType::kF16, DataType::kBF16, DataType::kF8E4M3, DataType::kF8E5M2, DataType::kF8E8M0, DataType::kF4E2M1,
          DataType::kI4, DataType::kU4, DataType::kI8, DataType::kBool}) {
        const int32_t bits = bitsOf(dtype);
        const int64_t count = int64_t{1} << bits;
        std::vector<std::byte> bytes;
        for (int64_t i = 0; i < count; ++i) {
            if (bits == 16) {
                bytes.push_back(static_cast<std::byte>(i));
                bytes.push_back(static_cast<std::byte>(i >> 8));
            } else if (bits == 8) {
                bytes.push_back(static_cast<std::byte>(i));
            } else if (i % 2 == 0) {
                bytes.push_back(static_cast<std::byte>(i | (i + 1) << 4));
            }
        }
        Graph graph("g");
        GraphEditor(graph).addConstant(makeConstant(dtype, {count}, bytes.data()), "c", SourceSet("c"));
        const auto back = parseGraph(print(graph, {1 << 16}));
        ASSERT_TRUE(back.ok()) << back.status().toString();
        const ConstantPtr constant = (*back)->nodes()[0]->output(0)->constant();
        ASSERT_EQ(constant->bytes, static_cast<int64_t>(bytes.size()));
        EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), constant->data)) << nameOf(dtype);
    }
}

TEST(IrTextTest, RandomBitsOfWideTypesComeBack) {
    std::mt19937_64 random(3);
    for (const DataType dtype :
         {DataType::kF32, DataType::kF64, DataType::kI32, DataType::kU32, DataType::kI64, DataType::kU64}) {
        std::vector<uint64_t> bits(2000);
        for (uint64_t& each : bits) {
            each = random();
        }
        const int64_t count = 2000 * 64 / bitsOf(dtype);
        Graph graph("g");
        GraphEditor(graph).addConstant(makeConstant(dtype, {count}, bits.data()), "c", SourceSet("c"));
        const auto back = parseGraph(print(graph, {1 << 16}));
        ASSERT_TRUE(back.ok()) << back.status().toString();
        EXPECT_EQ(std::memcmp((*back)->nodes()[0]->output(0)->constant()->data, bits.data(), 2000 * 8), 0)
            << nameOf(dtype);
    }
}

TEST(IrTextTest, LargeConstantsAreResolvedByHash) {
    std::vector<float> values(100);
    for (size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(i);
    }
    const ConstantPtr constant = makeConstantF32({100}, values);
    Graph graph("g");
    GraphEditor(graph).addConstant(constant, "c", SourceSet("c"));
    const std::string text = print(graph);
    EXPECT_THAT(text, HasSubstr("const f32[100] @hash:"));
    EXPECT_THAT(errorOf(text), HasSubstr("there are no bytes for @hash:"));
    ParseOptions options;
    options.constants = [&](const ConstantReference& reference) {
        EXPECT_EQ(reference.hash, hashOf(*constant));
        return constant;
    };
    const auto back = parseGraph(text, options);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ((*back)->nodes()[0]->output(0)->constant(), constant);
    options.constants = [](const ConstantReference&) { return makeConstantF32({1}, {0}); };
    EXPECT_FALSE(parseGraph(text, options).ok());
}

TEST(IrTextTest, ErrorsSayWhere) {
    EXPECT_EQ(errorOf("graph @g() { return %x }"), "line 1, column 21: %x is not defined before its use");
    EXPECT_EQ(errorOf("graph @g(%x: f32[], %x: f32[]) { return }"), "line 1, column 21: %x is defined twice");
    EXPECT_EQ(errorOf("graph @g(%x: f33[]) { return }"), "line 1, column 14: 'f33' is not an element type");
    EXPECT_EQ(errorOf("graph @g(%x: f32[]) { %y = a(%x) : f32[N] return }"),
              "line 1, column 40: the symbol N is not declared");
    EXPECT_EQ(errorOf("graph @g(%x: f32[]) {\n%y = a(%x) return %y }"),
              "line 2, column 12: expected ':', found 'return'");
    EXPECT_THAT(errorOf("graph @g(%x: f32[N]) where N in [5..4] { return }"), HasSubstr("the interval is empty"));
    EXPECT_THAT(errorOf("graph @g() where N from dim %q 0 { return }"), HasSubstr("%q is not an input of the graph"));
    EXPECT_THAT(errorOf("graph @g() { f() return }"), HasSubstr("needs name(...)"));
    EXPECT_THAT(errorOf("graph @g() { f() name(\"a\") f() name(\"a\") return }"), HasSubstr("two nodes of name \"a\""));
    EXPECT_THAT(errorOf("graph @g() { %c = const i8[1] [300] return }"), HasSubstr("300 does not fit i8"));
    EXPECT_THAT(errorOf("graph @g() { %c = const f32[9999999999999] splat 0 return }"), HasSubstr("over the limit"));
    EXPECT_THAT(errorOf("graph @g() { %c = const f32[9999999999999,99999999999999] splat 0 return }"),
                HasSubstr("64 bits"));
    EXPECT_THAT(errorOf("graph @g() { %a, %a = f() : f32[], f32[] return }"), HasSubstr("%a is defined twice"));
    EXPECT_THAT(errorOf("graph @g() { return } x"), HasSubstr("after the end"));
    std::string deep = "graph @g() {";
    for (int i = 0; i < 100000; ++i) {
        deep += "f() region @r() {";
    }
    EXPECT_THAT(errorOf(deep), HasSubstr("nested too deeply"));
}

TEST(IrTextTest, DamagedTextNeverCrashes) {
    const std::string text =
        R"(graph @head(%x: f16[N,3,H*2+1], %s: i64[1] contents[K]) where N in [1..32] opt 8 from dim %x 0, H from dim %x 2, K from element %s 0 {
  %w = const f16[2] [1, nan] weights("fc")
  %y = conv(%x, %w, _, %w) {a="b", f=1.0, pads=[0, 1], shape=dims[N, -1, max(H,4)], to=bf16} : f32[N,?] quant(scale=const f32[1] [0.5], axis=1) name("conv") from("a", "b") precision(f16)
  %f = fused(%y) region @body(%p: f16[N]) { %0 = matmul(%p, %p) : f16[N] return %0 } : f16[N,1]
  return %f
})";
    std::mt19937 random(11);
    const std::string alphabet = "%@[]{}(),:=*+-\"\\ N0189eE.x_/<>?\n";
    for (size_t cut = 0; cut < text.size(); ++cut) {
        (void)parseGraph(text.substr(0, cut));
    }
    for (int round = 0; round < 1500; ++round) {
        std::string damaged = text;
        for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
            const size_t at = random() % damaged.size();
            switch (random() % 3) {
            case 0:
                damaged[at] = alphabet[random() % alphabet.size()];
                break;
            case 1:
                damaged.erase(at, 1 + random() % 8);
                break;
            default:
                damaged.insert(at, text.substr(random() % text.size(), random() % 20));
            }
        }
        const auto graph = parseGraph(damaged, {{}, 1 << 20});
        if (graph.ok() && verify(**graph).ok()) {
            const std::string printed = print(**graph);
            const auto again = parseGraph(printed);
            ASSERT_TRUE(again.ok()) << again.status().toString() << "\n" << printed;
            ASSERT_EQ(print(**again), printed);
        }
    }
}

// Graphs that no one wrote: printing, reading and printing again gives the same text, and clones print alike.
class GraphMaker {
public:
    explicit GraphMaker(uint32_t seed) : mRandom(seed) {}

    std::unique_ptr<Graph> make() {
        auto graph = std::make_unique<Graph>(support::cat("g", mRandom() % 5));
        for (int i = 0; i < 3; ++i) {
            graph->pool().symbol({i == 2 ? "odd name" : std::string(1, static_cast<char>('L' + i)),
                                  static_cast<SymbolSource>(below(3)),
                                  below(3) - 1,
                                  below(4),
                                  {below(2) == 0 ? INT64_MIN : below(4), below(2) == 0 ? INT64_MAX : below(100) + 4},
                                  below(3) == 0 ? below(50) : INT64_MIN});
        }
        fill(*graph, 2);
        return graph;
    }

private:
    int below(int end) { return static_cast<int>(mRandom() % static_cast<uint32_t>(end)); }

    DimExpr expr(ExprPool& pool, int depth = 3) {
        if (depth == 0 || below(3) == 0) {
            return below(2) == 0 ? pool.constant(below(9)) : pool.symbol(pool.symbols()[static_cast<size_t>(below(3))]);
        }
        switch (below(4)) {
        case 0:
            return pool.scaled(ExprOp::kScaleCeil, expr(pool, depth - 1), below(100) / 7.0);
        case 1:
            return pool.select(expr(pool, depth - 1), expr(pool, depth - 1), expr(pool, depth - 1));
        default:
            return pool.binary(static_cast<ExprOp>(static_cast<int>(ExprOp::kSum) + below(10)), expr(pool, depth - 1),
                               expr(pool, depth - 1));
        }
    }

    TensorType type(ExprPool& pool) {
        TensorType result;
        result.kind = below(9) == 0 ? ValueKind::kSequence : ValueKind::kTensor;
        result.dtype = static_cast<DataType>(below(kDataTypeCount));
        result.ranked = below(8) != 0;
        for (int i = result.ranked ? below(5) : 0; i > 0; --i) {
            const DimExpr extent = expr(pool);
            result.dims.push_back(
                below(9) == 0 || (pool.isConstant(extent) && pool.constantValue(extent) < 0) ? DimExpr{} : extent);
        }
        return result;
    }

    std::string name() {
        static const char* const kNames[] = {"a",   "b", "conv.1",     "conv/w:0",  "x y",
                                             "a_1", "0", "\"quoted\"", "trailing.", "\xc3\xa4"};
        return kNames[below(10)];
    }

    AttributeValue attribute(ExprPool& pool) {
        switch (below(9)) {
        case 0:
            return int64_t{below(100) - 50};
        case 1:
            return (below(1000) - 500) / (below(3) == 0 ? 1.0 : 7.0);
        case 2:
            return name();
        case 3:
            return std::vector<int64_t>(static_cast<size_t>(below(3)), below(10) - 5);
        case 4:
            return std::vector<double>(static_cast<size_t>(below(3)), below(10) - 5);
        case 5:
            return std::vector<std::string>(static_cast<size_t>(below(3)), name());
        case 6:
            return static_cast<DataType>(below(kDataTypeCount));
        case 7:
            return DimList{std::vector<DimExpr>(static_cast<size_t>(below(3)), expr(pool))};
        default:
            return makeConstantF32({2}, {static_cast<float>(below(100)) / 7, below(2) == 0 ? NAN : -0.0F});
        }
    }

    void fill(Graph& graph, int depth) {
        GraphEditor editor(graph);
        std::vector<Value*> values;
        for (int i = below(4); i > 0; --i) {
            values.push_back(editor.addInput(name(), type(graph.pool())));
        }
        for (int i = below(8); i > 0; --i) {
            if (below(4) == 0) {
                auto constant =
                    std::make_shared<Constant>(*makeConstantI64({2, 20}, std::vector<int64_t>(40, below(3))));
                constant->weightsName = below(2) == 0 ? name() : "";
                values.push_back(editor.addConstant(constant, name(), SourceSet(name())));
                continue;
            }
            NodeSpec spec;
            spec.op = below(2) == 0 ? name() : "unary.exp";
            spec.name = below(2) == 0 ? name() : "";
            for (int input = below(4); input > 0; --input) {
                spec.inputs.push_back(values.empty() || below(6) == 0
                                          ? nullptr
                                          : values[static_cast<size_t>(below(static_cast<int>(values.size())))]);
            }
            for (int output = below(3); output > 0; --output) {
                spec.outputTypes.push_back(type(graph.pool()));
                spec.outputNames.push_back(below(3) == 0 ? "" : name());
            }
            for (int each = below(4); each > 0; --each) {
                spec.attributes.set(name(), attribute(graph.pool()));
            }
            spec.source = SourceSet(name());
            spec.source.add(name());
            if (below(3) == 0) {
                spec.settings = {DataType::kF16, {std::nullopt, DataType::kF32}, "meta \n", true};
            }
            Node* const node = editor.addNode(std::move(spec));
            values.insert(values.end(), node->outputs().begin(), node->outputs().end());
            if (depth > 0 && below(4) == 0) {
                fill(*editor.addRegion(node, name()), depth - 1);
            }
        }
        for (Value* value : values) {
            if (below(3) == 0) {
                editor.addOutput(value);
            }
            if (below(6) == 0) {
                editor.setQuantization(
                    value, Quantization{makeConstantF32({1}, {0.5F}), nullptr, below(3) - 1, below(2) * 16});
            }
        }
        if (values.size() > 3 && below(2) == 0) {
            editor.eraseDead([](const Node&) { return false; });
        }
    }

    std::mt19937 mRandom;
};

TEST(IrTextTest, GeneratedGraphsComeBack) {
    for (uint32_t seed = 0; seed < 500; ++seed) {
        const auto graph = GraphMaker(seed).make();
        const support::Status verified = verify(*graph);
        ASSERT_TRUE(verified.ok()) << "seed " << seed << ": " << verified.toString();
        const std::string text = print(*graph);
        const auto back = parseGraph(text);
        ASSERT_TRUE(back.ok()) << "seed " << seed << ": " << back.status().toString() << "\n" << text;
        ASSERT_EQ(print(**back), text) << "seed " << seed;
        ASSERT_TRUE(verify(**back).ok());
        ASSERT_EQ(print(*graph->clone()), text);
    }
}

} // namespace
} // namespace tenon::ir
