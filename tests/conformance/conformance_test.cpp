// The conformance table on every module of this build: one test per module and case file.
#include "tests/conformance/conformance.h"
#include "tests/conformance/task_runner.h"
#include "tests/processor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

namespace tenon::conformance {
namespace {

namespace fs = std::filesystem;

// A package that was moved to another machine brings its own.
std::string placeOf(const std::string& installed, const std::string& built) {
    const char* prefix = std::getenv("TENON_CONFORMANCE_PREFIX");
    return prefix != nullptr ? prefix + installed : built;
}
const std::string kCases = placeOf("/share/tenon/conformance", TENON_SOURCE_DIR "/tests/conformance/cases");
const std::string kLists = placeOf("/share/tenon/conformance/lists/", TENON_SOURCE_DIR "/tests/conformance/lists/");
const std::string kModules = placeOf("/lib/tenon/modules/", TENON_BINARY_DIR "/lib/tenon/modules/");

std::vector<std::string> caseFiles() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(kCases)) {
        if (entry.path().extension() == ".cases") {
            names.push_back(entry.path().stem().string());
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

// Opened once per process: tests of one module share it. Null with the reason in `error`.
const LoadedModule* openModule(const std::string& name, std::string& error) {
    static std::map<std::string, std::unique_ptr<LoadedModule>> opened;
    static std::map<std::string, std::string> errors;
    if (opened.count(name) == 0) {
        opened[name] = LoadedModule::open(kModules + "libtenon_" + name + ".so", errors[name]);
        // Modules without a device of their own compute on that of cuda.
        if (opened[name] != nullptr && (name == "cublaslt" || name == "cudnn")) {
            if (const LoadedModule* cuda = openModule("cuda", errors[name]); cuda != nullptr) {
                opened[name]->runOn(*cuda);
            }
        }
    }
    error = errors[name];
    return opened[name].get();
}

class Conformance : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(Conformance, Cases) {
    const auto& [moduleName, caseName] = GetParam();
    if (!fs::exists(kModules + "libtenon_" + moduleName + ".so")) {
        GTEST_SKIP() << "the module " << moduleName << " is not part of this build";
    }
    std::string error;
    const LoadedModule* reference = openModule("reference", error);
    ASSERT_NE(reference, nullptr) << error;
    const LoadedModule* underTest = openModule(moduleName, error);
    if (underTest == nullptr) {
        GTEST_SKIP() << "the module " << moduleName << " does not start here: " << error;
    }
    if (const std::string& absent = underTest->tables().device.absent; !absent.empty()) {
        GTEST_SKIP() << absent;
    }
    Options options;
    bool listed = false;
    bool alsoListed = false;
    options.unsupported = readPatterns(kLists + moduleName + ".unsupported", listed);
    options.fails = readPatterns(kLists + moduleName + ".fails", alsoListed);
    options.strict = listed;
    if (const char* filter = std::getenv("TENON_CONFORMANCE_FILTER"); filter != nullptr) {
        options.filter = filter;
    }
    options.time = std::getenv("TENON_CONFORMANCE_TIME") != nullptr;
    Report report;
    runConformance(underTest->tables(), reference->tables(), readCases(kCases + "/" + caseName + ".cases"), options,
                   report);
    EXPECT_EQ(report.error, "");
    for (const CaseResult& result : report.results) {
        EXPECT_TRUE(result.outcome != Outcome::kFailed && result.outcome != Outcome::kUnexpectedSupport)
            << result.name << "\n  " << result.detail;
        if (options.time && result.microseconds > 0) {
            std::cout << result.name << " " << result.microseconds << " us " << result.fastest << "\n";
        }
    }
    std::cout << moduleName << " " << caseName << ": " << report.count(Outcome::kPassed) << " passed, "
              << report.count(Outcome::kUnsupported) << " refused\n";
}

std::vector<std::string> modulesToTest() { return {"reference", "cpu", "onednn", "null", "cuda", "cublaslt", "cudnn"}; }

INSTANTIATE_TEST_SUITE_P(Modules, Conformance,
                         testing::Combine(testing::ValuesIn(modulesToTest()), testing::ValuesIn(caseFiles())),
                         [](const auto& each) { return std::get<0>(each.param) + "_" + std::get<1>(each.param); });

// Kernels of a device that may not be there: every case is offered, and compiled (TENON_COMPILE_ALL) or a sample of each op is.
class DeviceKernels : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(DeviceKernels, Compile) {
    const auto& [moduleName, caseName] = GetParam();
    if (!fs::exists(kModules + "libtenon_" + moduleName + ".so")) {
        GTEST_SKIP() << "the module " << moduleName << " is not part of this build";
    }
    std::string error;
    const LoadedModule* underTest = openModule(moduleName, error);
    ASSERT_NE(underTest, nullptr) << error;
    Options options;
    bool listed = false;
    options.unsupported = readPatterns(kLists + moduleName + ".unsupported", listed);
    options.strict = listed;
    options.compileOnly = true;
    options.sample = std::getenv("TENON_COMPILE_ALL") == nullptr;
    Report report;
    runConformance(underTest->tables(), underTest->tables(), readCases(kCases + "/" + caseName + ".cases"), options,
                   report);
    EXPECT_EQ(report.error, "");
    int compiled = 0;
    for (const CaseResult& result : report.results) {
        compiled += result.tactics;
        if (result.detail.find("libnvrtc") != std::string::npos &&
            result.detail.find("is missing") != std::string::npos) {
            GTEST_SKIP() << result.detail;
        }
        EXPECT_TRUE(result.outcome != Outcome::kFailed && result.outcome != Outcome::kUnexpectedSupport)
            << result.name << "\n  " << result.detail;
    }
    std::cout << moduleName << " " << caseName << ": " << compiled << " kernels compiled\n";
}

INSTANTIATE_TEST_SUITE_P(Modules, DeviceKernels,
                         testing::Combine(testing::Values("cuda"), testing::ValuesIn(caseFiles())),
                         [](const auto& each) { return std::get<0>(each.param) + "_" + std::get<1>(each.param); });

// The runner itself: what must be reported is.
class Runner : public testing::Test {
protected:
    Report run(const std::string& text, Options options = {}, const char* module = "reference") {
        std::string error;
        const LoadedModule* reference = openModule("reference", error);
        const LoadedModule* tested = openModule(module, error);
        EXPECT_NE(reference, nullptr) << error;
        EXPECT_NE(tested, nullptr) << error;
        Report report;
        runConformance(tested->tables(), reference->tables(), parseCases(text, "x.cases"), options, report);
        return report;
    }
};

TEST_F(Runner, AWrongKnownAnswerFails) {
    const Report report = run("binary.add(f32[2]:v(1,2), f32[2]:v(3,4)) -> f32[2] = (4, 6.5)\n");
    ASSERT_EQ(report.count(Outcome::kFailed), 1);
    EXPECT_EQ(
        report.results[0].detail,
        "x.cases:1: tactic 'loops' on linear linear: output 0 against the known answer: element 1 is 6 instead of 6.5");
}

TEST_F(Runner, ARefusalIsAFailureOnlyWhereListsAreKept) {
    const std::string text = "unary.exp(i32[2]) -> i32[2]\n";
    const Report loose = run(text);
    EXPECT_EQ(loose.count(Outcome::kUnsupported), 1);
    EXPECT_EQ(loose.results[0].detail, "unary.exp of i32 (input 0); supported are f32, f16, bf16, f64");
    Options strict;
    strict.strict = true;
    EXPECT_EQ(run(text, strict).count(Outcome::kFailed), 1);
    strict.unsupported = {"unary.exp#*:i32"};
    EXPECT_TRUE(run(text, strict).passed());
}

TEST_F(Runner, AnUnexpectedPassFails) {
    Options options;
    options.unsupported = {"unary.neg#1:*"};
    EXPECT_EQ(run("unary.neg(f32[2]) -> f32[2]\n", options).count(Outcome::kUnexpectedSupport), 1);
    options.unsupported.clear();
    options.fails = {"unary.neg#1:f32"};
    EXPECT_FALSE(run("unary.neg(f32[2]) -> f32[2]\n", options).passed());
}

TEST_F(Runner, DataThatAreWrongFailTheLaunchWithAReason) {
    const std::pair<const char*, const char*> cases[] = {
        {"gather(f32[3], i64[1]:v(3)) {axis=0} -> f32[1]", "gather: index 3"},
        {"scatter_elements(f32[3], i64[2]:v(0,-4), f32[2]) -> f32[3]", "scatter_elements: index -4"},
        {"scatter_nd(f32[2,3], i32[1,2]:v(1,3), f32[1]) -> f32[2,3]", "scatter_nd: index 3"},
    };
    for (const char* const module : {"reference", "cpu"}) {
        std::string missing;
        if (openModule(module, missing) == nullptr) {
            continue; // not built here
        }
        for (const auto& [text, reason] : cases) {
            const Report report = run(std::string(text) + "\n", {}, module);
            ASSERT_EQ(report.count(Outcome::kFailed), 1) << text;
            const std::string wanted = std::string("launch failed: ") + reason + " is outside an axis of 3 elements";
            EXPECT_NE(report.results[0].detail.find(wanted), std::string::npos) << report.results[0].detail;
        }
    }
}

// What the processor can is what modules are asked for: kernels of instructions that it has are not left out.
TEST(Host, KernelsInBf16AreCompared) {
    if (!tenon::test::hasAvx512Bf16()) {
        GTEST_SKIP() << "this processor has no AVX-512 BF16";
    }
    std::string error;
    const LoadedModule* reference = openModule("reference", error);
    ASSERT_NE(reference, nullptr) << error;
    for (const char* name : {"cpu", "onednn"}) {
        const LoadedModule* module = openModule(name, error);
        if (module == nullptr) {
            continue; // not part of this build
        }
        Report report;
        const std::string op = std::string(name) == "cpu" ? "softmax(f32[4,16]) {axis=1} -> f32[4,16]\n"
                                                          : "matmul(f32[4,16], f32[16,8]) -> f32[4,8]\n";
        runConformance(module->tables(), reference->tables(), parseCases(op, "x.cases"), {}, report);
        ASSERT_EQ(report.results.size(), 1U) << report.error;
        EXPECT_TRUE(report.passed()) << report.results[0].detail;
        EXPECT_GT(report.results[0].reduced, 0) << name;
    }
}

// Bytes of a kernel may come from anywhere: cut off and damaged ones must be refused with a reason, or make a kernel.
class DamagedKernels : public testing::TestWithParam<std::string> {};

TEST_P(DamagedKernels, AreRefusedOrHarmless) {
    std::string error;
    if (!fs::exists(kModules + "libtenon_" + GetParam() + ".so")) {
        GTEST_SKIP() << "the module " << GetParam() << " is not part of this build";
    }
    const LoadedModule* loaded = openModule(GetParam(), error);
    ASSERT_NE(loaded, nullptr) << error;
    uint64_t random = 88172645463325252U;
    int refused = 0;
    int tried = 0;
    for (const std::string& name : caseFiles()) {
        const CaseFile file = readCases(kCases + "/" + name + ".cases");
        for (size_t c = 0; c < file.cases.size(); c += 17) {
            const Case& each = file.cases[c];
            std::vector<std::vector<std::byte>> data;
            for (size_t i = 0; i < each.inputs.size(); ++i) {
                data.push_back(each.inputs[i].present ? fillInput(each, i) : std::vector<std::byte>());
            }
            BuiltTask task;
            buildTask(each, data, false, task);
            Refusal refusal;
            const std::vector<KeptTactic> tactics = tacticsOf(loaded->tables(), task.task, 1, refusal);
            CompiledBlob blob;
            if (tactics.empty() || compileTactic(loaded->tables(), task.task, tactics[0], 1, blob).code != TN_OK) {
                continue;
            }
            const auto attempt = [&](std::vector<std::byte> bytes) {
                std::string reason;
                ++tried;
                if (readKernel(loaded->tables(), {blob.runtime, blob.version, std::move(bytes)}, reason) != TN_OK) {
                    ++refused;
                    EXPECT_NE(reason, "") << each.name;
                }
            };
            for (size_t size = 0; size < blob.bytes.size(); size += 1 + blob.bytes.size() / 40) {
                attempt({blob.bytes.begin(), blob.bytes.begin() + static_cast<std::ptrdiff_t>(size)});
            }
            for (int flips = 0; flips < 40; ++flips) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                std::vector<std::byte> bytes = blob.bytes;
                bytes[random % bytes.size()] ^= std::byte{static_cast<uint8_t>(1U << (random >> 40) % 8)};
                attempt(bytes);
            }
        }
    }
    EXPECT_GT(tried, 1000);
    EXPECT_GT(refused, tried / 3);
}

INSTANTIATE_TEST_SUITE_P(Modules, DamagedKernels, testing::Values("reference", "cpu"));

TEST(CaseReader, NamesTheLineThatIsWrong) {
    const CaseFile file =
        parseCases("# comment\nunary.exp(f32[2]) -> f32[2]\nunary.exp(f99[2]) -> f32[2]\n", "x.cases");
    EXPECT_EQ(file.error, "x.cases:3: 'f99' is no element type before '[2]) -> f32[2]'");
    EXPECT_EQ(file.cases.size(), 1U);
}

TEST(CaseReader, ReadsAllParts) {
    const CaseFile file = parseCases("slice(f32[2,3]:v(1,nan), -, @0) {axes=[0], mode=\"fill\", starts=dims[-1], "
                                     "x=0.5, y=f16, z=i32{7}} -> f32[1,3], - ; atol=0.25\n",
                                     "x.cases");
    ASSERT_EQ(file.error, "");
    ASSERT_EQ(file.cases.size(), 1U);
    const Case& found = file.cases[0];
    EXPECT_EQ(found.name, "slice#1:f32");
    EXPECT_FALSE(found.inputs[1].present);
    EXPECT_EQ(found.inputs[2].sameAs, 0);
    EXPECT_EQ(found.outputs.size(), 2U);
    EXPECT_EQ(found.atol, 0.25);
    const AttributeTexts& attributes = found.statements[0].attributes;
    EXPECT_EQ(attributes.at("starts").kind, TN_ATTR_DIMS);
    EXPECT_EQ(attributes.at("mode").s, "fill");
    EXPECT_EQ(attributes.at("y").i, TN_F16);
    EXPECT_EQ(attributes.at("z").kind, TN_ATTR_TENSOR);
}

TEST(Patterns, MatchWholeNames) {
    EXPECT_TRUE(matchesPattern("conv#*", "conv#3:f32"));
    EXPECT_TRUE(matchesPattern("*:f64", "conv#3:f64"));
    EXPECT_FALSE(matchesPattern("conv", "conv#3:f32"));
}

} // namespace
} // namespace tenon::conformance
