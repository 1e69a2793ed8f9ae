// The module as a host sees it on a machine without a device: it loads or says what is missing, and builds plans for a device that is described
// only, with the engines that are compiled already.
#include "tests/conformance/case_reader.h"
#include "tests/conformance/loaded_module.h"
#include "tests/conformance/task_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tenon::cudnn {
namespace {

using testing::HasSubstr;

// As the backend cuda describes an H200.
constexpr std::string_view kH200 =
    R"({"backend":"cuda","name":"NVIDIA H200","sm":90,"multiprocessors":132,"memory":150122135552,"l2":62914560,"shared_per_block":232448,"registers_per_multiprocessor":65536,"threads_per_multiprocessor":2048,"clock_khz":1980000,"memory_clock_khz":3201000,"driver":13000})";

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

// `folder` is where the module is to find its library.
class ModuleTest : public testing::Test {
protected:
    void load(const std::string& folder) {
        setenv("TENON_CUDNN_DIR", folder.c_str(), 1);
        std::string error;
        mModule = conformance::LoadedModule::open(TENON_MODULE_LIBRARY, error);
        ASSERT_NE(mModule, nullptr) << error;
        ASSERT_EQ(mModule->tables().providers.size(), 1U);
        ASSERT_EQ(mModule->tables().runtimes.size(), 1U);
    }
    // An empty file of the library's name is enough for what does not open it.
    void loadNone() {
        std::filesystem::create_directories(mFolder);
        std::ofstream(mFolder + "/libcudnn.so.9") << "no library";
        load(mFolder);
    }
    static bool isInstalled() { return std::ifstream(TENON_CUDNN_FOLDER "/libcudnn.so.9").good(); }
    void TearDown() override {
        unsetenv("TENON_CUDNN_DIR");
        std::filesystem::remove_all(mFolder);
    }

    const TnTacticProvider& provider() const { return *mModule->tables().providers[0]; }
    const TnKernelRuntime& runtime() const { return *mModule->tables().runtimes[0]; }

    static TnTarget target(std::string_view backend = "cuda") {
        TnTarget target{};
        target.struct_size = sizeof target;
        target.placement = backend == "host" ? 0 : 1;
        target.backend = module::toTn(backend);
        target.json = module::toTn(kH200);
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

    // Empty bytes where the plan cannot be built without a device; `why` says so.
    Blob compile(const TnTask& of, const Kept& kept, std::string& why) {
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
        const TnCode code = provider().compile(provider().self, &where, &of, &tactic, nullptr, &sink, &reason.sink);
        EXPECT_TRUE(code == TN_OK || (code == TN_ENVIRONMENT && !reason.text.empty())) << code << reason.text;
        why = reason.text;
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

    const std::string mFolder = testing::TempDir() + "tenon-cudnn-" + std::to_string(getpid());
    std::unique_ptr<conformance::LoadedModule> mModule;
    conformance::CaseFile mFile;
    std::vector<std::vector<std::byte>> mData;
    std::unique_ptr<conformance::BuiltTask> mTask;
};

TEST_F(ModuleTest, SaysWhatIsMissing) {
    setenv("TENON_CUDNN_DIR", "/nowhere", 1);
    std::string error;
    EXPECT_EQ(conformance::LoadedModule::open(TENON_MODULE_LIBRARY, error), nullptr);
    EXPECT_THAT(error, HasSubstr("libcudnn.so.9 is missing"));
    EXPECT_THAT(error, HasSubstr("/nowhere"));
    EXPECT_THAT(error, HasSubstr("TENON_CUDNN_DIR"));
}

TEST_F(ModuleTest, TakesAndRefuses) {
    loadNone();
    EXPECT_EQ(refusal("conv(f32[1,3,8,8], f32[4,3,3,3], f32[4]) {pads=[1,1,1,1]} -> f32[1,4,8,8]"), "");
    EXPECT_EQ(refusal("pool.max(f16[1,8,8,8]) {kernel=[2,2], strides=[2,2]} -> f16[1,8,4,4]"), "");
    EXPECT_THAT(refusal("conv(f32[1,3,8,8], f32[4,3,3,3]) -> f32[1,4,6,6]", "host"), HasSubstr("CUDA"));
    EXPECT_THAT(refusal("conv(f64[1,3,8,8], f64[4,3,3,3]) -> f64[1,4,6,6]"), HasSubstr("f64"));
    EXPECT_THAT(refusal("conv(f32[0,3,8,8], f32[4,3,3,3]) -> f32[0,4,6,6]"), HasSubstr("empty"));
    EXPECT_THAT(refusal("softmax(f32[2,3]) -> f32[2,3]"), HasSubstr("softmax"));
}

TEST_F(ModuleTest, ALibraryThatDoesNotOpenIsAReason) {
    loadNone();
    TextSink reason;
    TnTacticSink sink{nullptr, [](void*, const TnTactic*) {}};
    const TnTarget where = target();
    const TnTask& conv = task("conv(f16[1,8,8,8], f16[8,8,3,3]) -> f16[1,8,6,6]");
    EXPECT_EQ(provider().enumerate(provider().self, &where, &conv, &sink, &reason.sink), TN_ENVIRONMENT);
    EXPECT_THAT(reason.text, HasSubstr("cannot open"));
}

// Engines that compile at run time need a driver: those are refused with that reason, the others are finished and read back.
TEST_F(ModuleTest, BuildsPlansForADescribedDevice) {
    if (!isInstalled()) {
        GTEST_SKIP() << "libcudnn.so.9 is not in " TENON_CUDNN_FOLDER;
    }
    load(TENON_CUDNN_FOLDER);
    const char* const lines[] = {
        "conv(f16[8,64,28,28], const f16[64,64,3,3], const f16[64]) {pads=[1,1,1,1]} -> f16[8,64,28,28]",
        // One line in two pieces. NOLINTNEXTLINE(bugprone-suspicious-missing-comma)
        "fused[%a = conv(%0, %1, %2) : f16[8,128,14,14]; %b = activation.relu(%a) : f16[8,128,14,14]]"
        "(f16[8,64,14,14], const f16[128,64,1,1], const f16[128]) -> f16[8,128,14,14]",
        "conv(bf16[1,16,32], const bf16[32,16,3]) -> bf16[1,32,30]",
        "conv(f32[1,32,14,14], const f32[32,32,3,3]) {pads=[1,1,1,1]} -> f32[1,32,14,14]",
        "deconv(f16[1,32,14,14], const f16[32,32,2,2]) {strides=[2,2]} -> f16[1,32,28,28]",
    };
    std::string why;
    for (const char* const line : lines) {
        const TnTask& conv = task(line);
        size_t built = 0;
        const std::vector<Kept> found = tactics(conv);
        for (const Kept& kept : found) {
            const Blob blob = compile(conv, kept, why);
            std::string reason;
            if (!blob.bytes.empty()) {
                ++built;
                EXPECT_EQ(blob.runtime, "cudnn");
                EXPECT_EQ(read(blob.bytes, reason), TN_OK) << kept.name << ": " << reason;
            }
        }
        EXPECT_GT(built, 0U) << line << ": " << why;
        std::printf("%s: %zu tactics, %zu plans built here\n", line, found.size(), built);
    }
}

TEST_F(ModuleTest, DamagedBytesAreRefused) {
    if (!isInstalled()) {
        GTEST_SKIP() << "libcudnn.so.9 is not in " TENON_CUDNN_FOLDER;
    }
    load(TENON_CUDNN_FOLDER);
    const TnTask& conv = task("conv(f16[1,64,14,14], const f16[64,64,1,1], const f16[64]) -> f16[1,64,14,14]");
    Blob blob;
    std::string reason;
    for (const Kept& kept : tactics(conv)) {
        blob = blob.bytes.empty() ? compile(conv, kept, reason) : blob;
    }
    ASSERT_FALSE(blob.bytes.empty()) << reason;
    for (size_t size = 0; size < blob.bytes.size(); size += 97) {
        EXPECT_NE(read({blob.bytes.begin(), blob.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, reason), TN_OK);
        EXPECT_NE(reason, "");
    }
    // Any byte changed: refused, or still a kernel, whose plan is built again; never a crash.
    for (size_t at = 0; at < blob.bytes.size(); at += at < 200 ? 1 : 13) {
        std::vector<std::byte> damaged = blob.bytes;
        damaged[at] ^= std::byte{0xFF};
        read(damaged, reason);
    }
}

} // namespace
} // namespace tenon::cudnn
