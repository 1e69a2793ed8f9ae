// The module as a host sees it on a machine without a device: it loads or says what is missing, names tactics, compiles them to bytes and reads
// those back.
#include "tests/unit/backends/described_device.h"

#include <gmock/gmock.h>

namespace tenon::cublaslt {
namespace {

using conformance::CompiledBlob;
using conformance::KeptTactic;
using testing::HasSubstr;

class ModuleTest : public conformance::DescribedDevice {
protected:
    ModuleTest() : DescribedDevice("TENON_CUBLASLT_DIR", "libcublasLt.so.13") {}
    void SetUp() override { loadWithEmptyLibrary(); }
};

const char* const kRegion = "fused[%a = matmul(%0, %1) : f32[7,9]; %b = binary.add(%a, %2) : f32[7,9]; "
                            "%c = binary.add(%b, %3) : f32[7,9]; %d = activation.relu(%c) : f32[7,9]]"
                            "(f32[7,5], const f32[5,9], const f32[9], f32[7,9]) -> f32[7,9]";

TEST_F(ModuleTest, SaysWhatIsMissing) {
    const std::string error = errorWithoutLibrary();
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
    EXPECT_EQ(refusal("fused[%a = matmul(%0, %1) : f16[7,9]; %b = activation.gelu_erf(%a) : f16[7,9]]"
                      "(f16[7,5], f16[5,9]) -> f16[7,9]"),
              "");
    EXPECT_EQ(
        refusal("fused[%a = matmul(%0, %1) : f32[9,6]; %c = matmul(%0, %3) : f32[9,6]; "
                "%b = binary.add(%a, %2) : f32[9,6]; %d = binary.add(%4, %c) : f32[9,6]]"
                "(f32[9,12], const f32[12,6], const f32[6], const f32[12,6], const f32[6]) -> f32[9,6], f32[9,6]"),
        "");
    EXPECT_EQ(refusal("fused[%a = matmul(%0, %1) : f32[7,9]; %b = activation.gelu_tanh(%a) : f32[7,9]]"
                      "(f32[7,5], f32[5,9]) -> f32[7,9]"),
              "");
}

TEST_F(ModuleTest, RefusesWithReasons) {
    EXPECT_THAT(refusalOnHost("matmul(f32[3,4], f32[4,5]) -> f32[3,5]"), HasSubstr("CUDA"));
    EXPECT_THAT(refusal("unary.exp(f32[3,4]) -> f32[3,4]"), HasSubstr("unary.exp"));
    EXPECT_THAT(refusal("matmul(i32[3,4], i32[4,5]) -> i32[3,5]"), HasSubstr("i32"));
    EXPECT_THAT(refusal("matmul(f32[0,4], f32[4,5]) -> f32[0,5]"), HasSubstr("empty"));
    EXPECT_THAT(refusal("fused[%a = matmul(%0, %1) : f32[7,9]; %b = activation.gelu_erf(%a) : f32[7,9]]"
                        "(f32[7,5], f32[5,9]) -> f32[7,9]"),
                HasSubstr("erf"));
    EXPECT_THAT(refusal("fused[%a = matmul(%0, %1) : f32[9,6]; %b = matmul(%0, %2) : f32[9,7]]"
                        "(f32[9,12], const f32[12,6], const f32[12,7]) -> f32[9,6], f32[9,7]"),
                HasSubstr("one shape"));
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
        for (const KeptTactic& kept : tactics(task(kRegion, false, types))) {
            found += kept.outputs[0].dtype == dtype && ((kept.traits & TN_TRAIT_TF32) != 0) == tf32 ? 1 : 0;
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
        for (const KeptTactic& kept : tactics(product)) {
            std::string why;
            const CompiledBlob blob = compile(product, kept, why);
            EXPECT_EQ(why, "") << kept.name;
            EXPECT_EQ(blob.runtime, "cublaslt");
            EXPECT_EQ(blob.bytes, compile(product, kept, why).bytes) << "not deterministic";
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
    std::string reason;
    const CompiledBlob blob = compile(region, tactics(region).at(0), reason);
    ASSERT_FALSE(blob.bytes.empty()) << reason;
    expectCutBytesRefused(blob, 7);
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
    std::string reason;
    TnSink sink{&reason, [](void* context, const char* text, size_t size) {
                    static_cast<std::string*>(context)->append(text, size);
                }};
    TnSession* session = nullptr;
    const TnSessionInfo info{sizeof(TnSessionInfo), 1, 1, 0, nullptr, nullptr, nullptr};
    EXPECT_EQ(runtime().session_create(runtime().self, &info, &session, &sink), TN_ENVIRONMENT);
    EXPECT_THAT(reason, HasSubstr("cannot open"));
}

} // namespace
} // namespace tenon::cublaslt
