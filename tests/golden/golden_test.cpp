// Runs every golden file: parses each input, runs its passes to a fixed point (or its pattern), compares the text, and computes the graph before
// and after on random numbers where the small interpreter knows all its ops.
#include "core/ir/parser.h"
#include "core/ir/printer.h"
#include "core/ir/verifier.h"
#include "core/ops/verify.h"
#include "core/passes/pattern_registry.h"
#include "core/passes/pipeline.h"
#include "core/support/env.h"
#include "tests/golden/golden_file.h"
#include "tests/golden/interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

namespace tenon::golden {
namespace {

std::string folder() { return std::string(TENON_SOURCE_DIR) + "/tests/golden/passes"; }

bool updates() { return support::readEnv("TENON_UPDATE_GOLDENS").value_or("") == "1"; }

constexpr ir::PrintOptions kPrint{64};

// Where the interpreter knows all ops: the same inputs give the same outputs. Symbols are small numbers of their own.
void compareResults(const ir::Graph& before, const ir::Graph& after) {
    std::vector<int64_t> symbols;
    for (const ir::Symbol& symbol : before.pool().symbols()) {
        symbols.push_back(std::max<int64_t>(symbol.bounds.min, static_cast<int64_t>(symbols.size()) % 3 + 2));
    }
    std::mt19937 random(5);
    std::uniform_real_distribution<double> numbers(-2, 2);
    std::vector<Tensor> inputs;
    for (const ir::Value* input : before.inputs()) {
        Tensor tensor{extentsOf(before.pool(), input->type(), symbols), {}};
        int64_t count = 1;
        for (const int64_t extent : tensor.dims) {
            count *= extent;
        }
        for (int64_t i = 0; i < count; ++i) {
            const double number = numbers(random);
            tensor.values.push_back(ir::isFloat(input->type().dtype) ? number : std::round(number));
        }
        inputs.push_back(std::move(tensor));
    }
    const auto expected = computeGraph(before, inputs, symbols);
    const auto actual = computeGraph(after, inputs, symbols);
    if (!expected.ok()) {
        std::printf("         not computed: %s\n", expected.status().message().c_str());
        return;
    }
    ASSERT_TRUE(actual.ok()) << actual.status().toString();
    ASSERT_EQ(expected->size(), actual->size());
    for (size_t o = 0; o < expected->size(); ++o) {
        ASSERT_EQ((*expected)[o].dims, (*actual)[o].dims) << "output " << o;
        for (size_t i = 0; i < (*expected)[o].values.size(); ++i) {
            const double wanted = (*expected)[o].values[i];
            const double found = (*actual)[o].values[i];
            ASSERT_TRUE((std::isnan(wanted) && std::isnan(found)) ||
                        std::fabs(wanted - found) <= 2e-4 * (1 + std::fabs(wanted)))
                << "output " << o << " element " << i << ": " << wanted << " became " << found;
        }
    }
}

std::string regionText(const ir::Graph& graph, const passes::Pattern& pattern) {
    std::vector<passes::Region> regions;
    pattern.find(graph, ops::OpRegistry::builtin(), regions);
    std::string text;
    for (const passes::Region& region : regions) {
        text += region.label + ":";
        for (const ir::Node* node : region.nodes) {
            text += " " + node->name();
        }
        text += "\n";
    }
    return text.empty() ? "nothing\n" : text;
}

std::string runPasses(const GoldenFile& file, ir::Graph& graph) {
    ir::Graph weights("weights", graph.poolPtr());
    SmallEvaluator evaluator;
    passes::PassContext context{graph, ops::OpRegistry::builtin(), &weights, &evaluator};
    if (file.passes == std::vector<std::string>{"pipeline"}) {
        const support::Status status = passes::runPipeline(context, passes::Verify::kAfterEach);
        EXPECT_TRUE(status.ok()) << status.toString();
    } else {
        bool changed = true;
        int round = 0;
        for (; changed && round < 16; ++round) {
            changed = false;
            for (const std::string& name : file.passes) {
                const passes::Pass* const pass = passes::findPass(name);
                if (pass == nullptr) {
                    ADD_FAILURE() << "there is no pass '" << name << "'";
                    return "";
                }
                const auto result = passes::runPass(context, *pass, passes::Verify::kAfterEach);
                if (!result.ok()) {
                    ADD_FAILURE() << result.status().toString();
                    return "";
                }
                changed = changed || *result;
            }
        }
        EXPECT_FALSE(changed) << "the passes do not come to an end";
    }
    std::string text = ir::print(graph, kPrint);
    if (file.showsWeights) {
        text += ir::print(weights, kPrint);
    }
    return text;
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, Cases) {
    GoldenFile file = readGolden(GetParam());
    ASSERT_FALSE(file.cases.empty()) << file.path << " has no case";
    for (GoldenCase& each : file.cases) {
        SCOPED_TRACE(file.name + ": " + each.title);
        auto parsed = ir::parseGraph(each.input);
        ASSERT_TRUE(parsed.ok()) << parsed.status().toString();
        ir::Graph& graph = **parsed;
        // Types that the author left open.
        const support::Status inferred = ops::inferGraph(ops::OpRegistry::builtin(), graph);
        ASSERT_TRUE(inferred.ok()) << inferred.toString();
        const support::Status verified = ir::verify(graph);
        ASSERT_TRUE(verified.ok()) << verified.toString();
        const auto before = graph.clone();
        std::string actual;
        if (const passes::Pattern* const pattern = passes::findPattern(file.passes[0])) {
            actual = regionText(graph, *pattern);
        } else {
            actual = runPasses(file, graph);
            compareResults(*before, graph);
        }
        if (updates()) {
            each.expected = actual;
        } else {
            EXPECT_EQ(actual, each.expected);
        }
    }
    if (updates()) {
        writeGolden(file);
    }
}

std::string testName(const ::testing::TestParamInfo<std::string>& info) {
    return std::filesystem::path(info.param).stem().string();
}

INSTANTIATE_TEST_SUITE_P(Passes, GoldenTest, ::testing::ValuesIn(goldenFiles(folder())), testName);

// One file for each pass and pattern, so that a new one is not forgotten.
TEST(GoldenFiles, EveryPassAndPatternHasOne) {
    std::vector<std::string> names;
    for (const std::string& path : goldenFiles(folder())) {
        names.push_back(std::filesystem::path(path).stem().string());
    }
    const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    for (const passes::Pass& pass : passes::allPasses()) {
        EXPECT_TRUE(has(pass.name)) << pass.name;
    }
    for (const passes::Pattern& pattern : passes::allPatterns()) {
        EXPECT_TRUE(has(pattern.name)) << pattern.name;
    }
}

} // namespace
} // namespace tenon::golden
