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
#include <set>

namespace tenon::golden {
namespace {

std::string folder() { return std::string(TENON_SOURCE_DIR) + "/tests/golden/passes"; }

bool updates() { return support::readEnv("TENON_UPDATE_GOLDENS").value_or("") == "1"; }

constexpr ir::PrintOptions kPrint{64};

// Random numbers for the inputs, and small numbers of their own for the symbols.
struct Sample {
    std::vector<int64_t> symbols;
    std::vector<Tensor> inputs;
};
Sample sampleFor(const ir::Graph& graph) {
    Sample sample;
    for (const ir::Symbol& symbol : graph.pool().symbols()) {
        sample.symbols.push_back(
            std::max<int64_t>(symbol.bounds.min, static_cast<int64_t>(sample.symbols.size()) % 3 + 2));
    }
    std::mt19937 random(5);
    std::uniform_real_distribution<double> numbers(-2, 2);
    for (const ir::Value* input : graph.inputs()) {
        Tensor tensor{extentsOf(graph.pool(), input->type(), sample.symbols), {}};
        int64_t count = 1;
        for (const int64_t extent : tensor.dims) {
            count *= extent;
        }
        for (int64_t i = 0; i < count; ++i) {
            const double number = numbers(random);
            const bool isBool = input->type().dtype == ir::DataType::kBool;
            const bool isUnsigned = input->type().dtype == ir::DataType::kU8;
            tensor.values.push_back(isBool                             ? (number > -1 ? 1.0 : 0.0)
                                    : ir::isFloat(input->type().dtype) ? number
                                    : isUnsigned                       ? std::round(number + 2)
                                                                       : std::round(number));
        }
        sample.inputs.push_back(std::move(tensor));
    }
    return sample;
}

void expectEqual(const Tensor& expected, const Tensor& actual, const std::string& what) {
    ASSERT_EQ(expected.dims, actual.dims) << what;
    for (size_t i = 0; i < expected.values.size(); ++i) {
        const double wanted = expected.values[i];
        const double found = actual.values[i];
        ASSERT_TRUE((std::isnan(wanted) && std::isnan(found)) ||
                    std::fabs(wanted - found) <= 2e-4 * (1 + std::fabs(wanted)))
            << what << " element " << i << ": " << wanted << " became " << found;
    }
}

// Why the interpreter may pass a case over: ops that a pass moves or leaves alone and that it does not compute. Anything else is to be taught to it.
const std::set<std::string, std::less<>> kUncomputed = {
    "axes that the data decides",           "the interpreter does not know pad",
    "the interpreter does not know plugin", "the interpreter does not know pool.max",
    "the interpreter does not know resize", "the interpreter does not know unary.asinh",
};

// The same inputs give the same outputs.
void compareResults(const ir::Graph& before, const ir::Graph& after) {
    const Sample sample = sampleFor(before);
    const auto expected = computeGraph(before, sample.inputs, sample.symbols);
    const auto actual = computeGraph(after, sample.inputs, sample.symbols);
    if (!expected.ok()) {
        const std::string reason = expected.status().message();
        EXPECT_EQ(kUncomputed.count(reason), 1U) << "not compared, because " << reason;
        std::printf("         not computed: %s\n", reason.c_str());
        return;
    }
    ASSERT_TRUE(actual.ok()) << actual.status().toString();
    ASSERT_EQ(expected->size(), actual->size());
    for (size_t o = 0; o < expected->size(); ++o) {
        expectEqual((*expected)[o], (*actual)[o], "output " + std::to_string(o));
    }
}

// A body gives what the nodes that it replaces give.
void compareBody(const ir::Graph& graph, const passes::Region& region) {
    const Sample sample = sampleFor(graph);
    const auto values = computeValues(graph, sample.inputs, sample.symbols);
    ASSERT_TRUE(values.ok()) << values.status().toString();
    std::vector<Tensor> inputs;
    for (const ir::Value* input : region.inputs) {
        inputs.push_back(values->at(input));
    }
    const auto actual = computeGraph(*region.body, inputs, sample.symbols);
    ASSERT_TRUE(actual.ok()) << actual.status().toString();
    ASSERT_EQ(actual->size(), region.outputs.size());
    for (size_t o = 0; o < region.outputs.size(); ++o) {
        expectEqual(values->at(region.outputs[o]), (*actual)[o], region.label + ": " + region.outputs[o]->name());
    }
}

// "label: node node ...", and the body if the region has one, in lines that begin with spaces.
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
        if (region.body == nullptr) {
            continue;
        }
        const support::Status verified = ops::verifyOps(ops::OpRegistry::builtin(), *region.body);
        EXPECT_TRUE(verified.ok()) << verified.toString();
        const std::string body = ir::print(*region.body, kPrint);
        for (size_t begin = body.find('\n') + 1; begin < body.size() && body[begin] != '}';) {
            const size_t end = body.find('\n', begin);
            text += "  " + body.substr(begin, end - begin + 1);
            begin = end + 1;
        }
        compareBody(graph, region);
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
