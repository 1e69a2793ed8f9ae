// The module as a host sees it on a machine without a device: it loads or says what is missing, names tactics, compiles them to bytes and reads
// those back.
#include "tests/conformance/case_reader.h"
#include "tests/conformance/loaded_module.h"
#include "tests/conformance/task_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tenon::cublaslt {
namespace {

using testing::HasSubstr;

struct TextSink {
    std::string text;
    TnSink sink{this, [](void* context, const char* from, size_t size) {
                    static_cast<TextSink*>(context)->text.append(from, size);
                }};
};

struct Blob {
    std::string runtime;
    uint32_t version = 0;
    std::vector<std::byte> bytes;
};

// A folder with an empty file of the library's name: enough for a module that opens it only when it is needed.
class ModuleTest : public testing::Test {
protected:
    void SetUp() override {
        std::filesystem::create_directories(mFolder);
        std::ofstream(mFolder + "/libcublasLt.so.13") << "no library";
        setenv("TENON_CUBLASLT_DIR", mFolder.c_str(), 1);
        std::string error;
        mModule = conformance::LoadedModule::open(TENON_MODULE_LIBRARY, error);
        ASSERT_NE(mModule, nullptr) << error;
        ASSERT_EQ(mModule->tables().providers.size(), 1U);
        ASSERT_EQ(mModule->tables().runtimes.size(), 1U);
    }
    void TearDown() override {
        unsetenv("TENON_CUBLASLT_DIR");
        std::filesystem::remove_all(mFolder);
    }

    const TnTacticProvider& provider() const { return *mModule->tables().providers[0]; }
    const TnKernelRuntime& runtime() const { return *mModule->tables().runtimes[0]; }

    static TnTarget target(std::string_view backend = "cuda") {
        TnTarget target{};
        target.struct_size = sizeof target;
        target.placement = backend == "host" ? 0 : 1;
        target.backend = module::toTn(backend);
        target.json = module::toTn(R"({"sm": 90, "multiprocessors": 132})");
        target.fingerprint = module::toTn("H200");
        return target;
    }

    // `line` as in the conformance table.
    const TnTask& task(const std::string& line, bool dynamic = false, uint64_t computeTypes = 1) {
        mFile = conformance::parseCases(line, "test");
        EXPECT_TRUE(mFile.error.empty()) << mFile.error;
        mData.clear();
        for (size_t i = 0; i < mFile.cases.at(0).inputs.size(); ++i) {
            mData.push_back(conformance::fillInput(mFile.cases[0], i));
        }
        mTask = std::make_unique<conformance::BuiltTask>();
        conformance::buildTask(mFile.cases[0], mData, dynamic, *mTask);
        mTask->task.compute_types = computeTypes;
        return mTask->task;
    }

    // Empty where it is supported.
    std::string refusal(const std::string& line, std::string_view backend = "cuda") {
        TextSink reason;
        const TnTarget where = target(backend);
        const TnCode code = provider().supports(provider().self, &where, &task(line), &reason.sink);
        EXPECT_TRUE(code == TN_OK || (code == TN_UNSUPPORTED && !reason.text.empty())) << code << reason.text;
        return reason.text;
    }

    struct Kept {
        uint64_t id = 0;
        std::string name;
        TnTraits traits = 0;
        std::vector<TnPortFormat> inputs;
        TnPortFormat output{};
    };
    std::vector<Kept> tactics(const TnTask& of) {
        struct Collector {
            std::vector<Kept> kept;
            int64_t inputs = 0;
        } collector;
        collector.inputs = of.body->input_count;
        TnTacticSink sink{&collector, [](void* context, const TnTactic* tactic) {
                              auto& to = *static_cast<Collector*>(context);
                              Kept kept{tactic->id, std::string(module::view(tactic->name)), tactic->traits, {}, {}};
                              kept.inputs.assign(tactic->inputs, tactic->inputs + to.inputs);
                              kept.output = tactic->outputs[0];
                              to.kept.push_back(std::move(kept));
                          }};
        TextSink reason;
        const TnTarget where = target();
        EXPECT_EQ(provider().enumerate(provider().self, &where, &of, &sink, &reason.sink), TN_OK) << reason.text;
        return collector.kept;
    }

    Blob compile(const TnTask& of, const Kept& kept) {
        TnTactic tactic{};
        tactic.struct_size = sizeof tactic;
        tactic.id = kept.id;
        tactic.name = module::toTn(kept.name);
        tactic.inputs = kept.inputs.data();
        tactic.outputs = &kept.output;
        tactic.port_stride = sizeof(TnPortFormat);
        Blob blob;
        TnBlobSink sink{&blob, [](void* context, TnString name, uint32_t version, const void* data, size_t size) {
                            auto& to = *static_cast<Blob*>(context);
                            to.runtime = std::string(module::view(name));
                            to.version = version;
                            const auto* bytes = static_cast<const std::byte*>(data);
                            to.bytes.assign(bytes, bytes + size);
                        }};
        TextSink reason;
        const TnTarget where = target();
        EXPECT_EQ(provider().compile(provider().self, &where, &of, &tactic, nullptr, &sink, &reason.sink), TN_OK)
            << reason.text;
        return blob;
    }

    TnCode read(const std::vector<std::byte>& bytes, std::string& reason) {
        TextSink sink;
        TnKernel* kernel = nullptr;
        const TnCode code = runtime().deserialize(runtime().self, bytes.data(), bytes.size(), 1, &kernel, &sink.sink);
        if (code == TN_OK) {
            runtime().kernel_destroy(kernel);
        }
        reason = sink.text;
        return code;
    }

    const std::string mFolder = testing::TempDir() + "tenon-cublaslt-" + std::to_string(getpid());
    std::unique_ptr<conformance::LoadedModule> mModule;
    conformance::CaseFile mFile;
    std::vector<std::vector<std::byte>> mData;
    std::unique_ptr<conformance::BuiltTask> mTask;
};

const char* const kRegion = "fused[%a = matmul(%0, %1) : f32[7,9]; %b = binary.add(%a, %2) : f32[7,9]; "
                            "%c = binary.add(%b, %3) : f32[7,9]; %d = activation.relu(%c) : f32[7,9]]"
                            "(f32[7,5], const f32[5,9], const f32[9], f32[7,9]) -> f32[7,9]";

TEST_F(ModuleTest, SaysWhatIsMissing) {
    setenv("TENON_CUBLASLT_DIR", "/nowhere", 1);
    std::string error;
    EXPECT_EQ(conformance::LoadedModule::open(TENON_MODULE_LIBRARY, error), nullptr);
    EXPECT_THAT(error, HasSubstr("libcublasLt.so.13 is missing"));
    EXPECT_THAT(error, HasSubstr("/nowhere"));
    EXPECT_THAT(error, HasSubstr("TENON_CUBLASLT_DIR"));
}

TEST_F(ModuleTest, TheVersionTellsReleasesApart) {
    EXPECT_THAT(std::string(module::view(provider().version)), HasSubstr("libcublasLt.so.13-10"));
}

TEST_F(ModuleTest, TakesProductsWithEpilogues) {
    EXPECT_EQ(refusal("matmul(f32[3,4], f32[4,5]) -> f32[3,5]"), "");
    EXPECT_EQ(refusal("matmul(f16[2,1,3,4], f16[3,4,5]) -> f16[2,3,3,5]"), "");
    EXPECT_EQ(refusal(kRegion), "");
    EXPECT_EQ(refusal("fused[%a = matmul(%0, %1) : f32[7,9]; %b = activation.gelu_tanh(%a) : f32[7,9]]"
                      "(f32[7,5], f32[5,9]) -> f32[7,9]"),
              "");
}

TEST_F(ModuleTest, RefusesWithReasons) {
    EXPECT_THAT(refusal("matmul(f32[3,4], f32[4,5]) -> f32[3,5]", "host"), HasSubstr("CUDA"));
    EXPECT_THAT(refusal("unary.exp(f32[3,4]) -> f32[3,4]"), HasSubstr("unary.exp"));
    EXPECT_THAT(refusal("matmul(i32[3,4], i32[4,5]) -> i32[3,5]"), HasSubstr("i32"));
    EXPECT_THAT(refusal("matmul(f32[0,4], f32[4,5]) -> f32[0,5]"), HasSubstr("empty"));
    EXPECT_THAT(refusal("fused[%a = matmul(%0, %1) : f32[7,9]; %b = activation.gelu_erf(%a) : f32[7,9]]"
                        "(f32[7,5], f32[5,9]) -> f32[7,9]"),
                HasSubstr("erf"));
    EXPECT_THAT(refusal("fused[%a = matmul(%0, %1) : f32[7,9]; %b = activation.relu(%a) : f32[7,9]; "
                        "%c = binary.add(%b, %2) : f32[7,9]](f32[7,5], f32[5,9], f32[7,9]) -> f32[7,9]"),
                HasSubstr("last"));
    EXPECT_THAT(refusal("fused[%a = matmul(%0, %1) : f32[7,9]; %b = activation.silu(%a) : f32[7,9]]"
                        "(f32[7,5], f32[5,9]) -> f32[7,9]"),
                HasSubstr("silu"));
}

TEST_F(ModuleTest, PrecisionsAreThoseThatTheTaskAllows) {
    const auto count = [&](uint64_t types, TnDataType dtype, bool tf32) {
        int found = 0;
        for (const Kept& kept : tactics(task(kRegion, false, types))) {
            found += kept.output.dtype == dtype && ((kept.traits & TN_TRAIT_TF32) != 0) == tf32 ? 1 : 0;
        }
        return found;
    };
    EXPECT_GT(count(1, TN_F32, false), 0);
    EXPECT_EQ(count(1, TN_F32, true), 0);
    EXPECT_EQ(count(1, TN_F16, false), 0);
    EXPECT_GT(count(1 | TN_COMPUTE_TF32, TN_F32, true), 0);
    EXPECT_GT(count(1 | uint64_t{1} << TN_F16, TN_F16, false), 0);
    EXPECT_GT(count(1 | uint64_t{1} << TN_BF16, TN_BF16, false), 0);
}

TEST_F(ModuleTest, EveryTacticIsCompiledAndReadBack) {
    bool swapped = false;
    const auto check = [&](const TnTask& product) {
        for (const Kept& kept : tactics(product)) {
            const Blob blob = compile(product, kept);
            EXPECT_EQ(blob.runtime, "cublaslt");
            EXPECT_EQ(blob.bytes, compile(product, kept).bytes) << "not deterministic";
            std::string reason;
            EXPECT_EQ(read(blob.bytes, reason), TN_OK) << kept.name << ": " << reason;
            swapped = swapped || !module::isLinear(kept.inputs[1].format);
        }
    };
    check(task("matmul(f32[7,5], f32[5,9]) -> f32[7,9]", true, 1 | TN_COMPUTE_TF32));
    EXPECT_FALSE(swapped);
    check(task(kRegion, false, 1 | TN_COMPUTE_TF32 | uint64_t{1} << TN_F16));
    EXPECT_TRUE(swapped) << "constant weights have two layouts";
}

TEST_F(ModuleTest, DamagedBytesAreRefused) {
    const TnTask& region = task(kRegion);
    const Blob blob = compile(region, tactics(region).at(0));
    std::string reason;
    for (size_t size = 0; size < blob.bytes.size(); size += 7) {
        EXPECT_NE(read({blob.bytes.begin(), blob.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, reason), TN_OK);
        EXPECT_NE(reason, "");
    }
    // Any byte changed: refused, or still a kernel; never a crash.
    for (size_t at = 0; at < blob.bytes.size(); ++at) {
        for (const auto bits : {std::byte{0xFF}, std::byte{0x01}, std::byte{0x80}}) {
            std::vector<std::byte> damaged = blob.bytes;
            damaged[at] ^= bits;
            read(damaged, reason);
        }
    }
    std::vector<std::byte> unknown = blob.bytes;
    unknown[8] = std::byte{0xFC}; // the tactic's number follows magic and version
    EXPECT_NE(read(unknown, reason), TN_OK);
    EXPECT_THAT(reason, HasSubstr("tactic"));
}

TEST_F(ModuleTest, SessionsSayThatTheLibraryDoesNotOpen) {
    TextSink reason;
    TnSession* session = nullptr;
    const TnSessionInfo info{sizeof(TnSessionInfo), 1, 1, 0, nullptr, nullptr};
    EXPECT_EQ(runtime().session_create(runtime().self, &info, &session, &reason.sink), TN_ENVIRONMENT);
    EXPECT_THAT(reason.text, HasSubstr("cannot open"));
}

} // namespace
} // namespace tenon::cublaslt
