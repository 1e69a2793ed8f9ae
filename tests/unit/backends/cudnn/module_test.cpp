// The module as a host sees it on a machine without a device: it loads or says what is missing, and builds plans for a device that is described
// only, with the engines that are compiled already.
#include "tests/unit/backends/described_device.h"

#include <gmock/gmock.h>

namespace tenon::cudnn {
namespace {

using conformance::CompiledBlob;
using conformance::KeptTactic;
using testing::HasSubstr;

class ModuleTest : public conformance::DescribedDevice {
protected:
    ModuleTest() : DescribedDevice("TENON_CUDNN_DIR", "libcudnn.so.9") {}
    static bool isInstalled() { return std::ifstream(TENON_CUDNN_FOLDER "/libcudnn.so.9").good(); }
};

TEST_F(ModuleTest, SaysWhatIsMissing) {
    const std::string error = errorWithoutLibrary();
    EXPECT_THAT(error, HasSubstr("libcudnn.so.9 is missing"));
    EXPECT_THAT(error, HasSubstr("/nowhere"));
    EXPECT_THAT(error, HasSubstr("TENON_CUDNN_DIR"));
}

TEST_F(ModuleTest, TakesAndRefuses) {
    loadWithEmptyLibrary();
    EXPECT_EQ(refusal("conv(f32[1,3,8,8], f32[4,3,3,3], f32[4]) {pads=[1,1,1,1]} -> f32[1,4,8,8]"), "");
    EXPECT_NE(refusal("pool.max(f16[1,8,8,8]) {kernel=[2,2], strides=[2,2]} -> f16[1,8,4,4]"), "");
    EXPECT_THAT(refusalOnHost("conv(f32[1,3,8,8], f32[4,3,3,3]) -> f32[1,4,6,6]"), HasSubstr("CUDA"));
    EXPECT_THAT(refusal("conv(f64[1,3,8,8], f64[4,3,3,3]) -> f64[1,4,6,6]"), HasSubstr("f64"));
    EXPECT_THAT(refusal("conv(f32[0,3,8,8], f32[4,3,3,3]) -> f32[0,4,6,6]"), HasSubstr("empty"));
    EXPECT_THAT(refusal("softmax(f32[2,3]) -> f32[2,3]"), HasSubstr("softmax"));
}

TEST_F(ModuleTest, ALibraryThatDoesNotOpenIsAReason) {
    loadWithEmptyLibrary();
    conformance::Refusal refused;
    EXPECT_TRUE(
        conformance::tacticsOf(tables(), task("conv(f16[1,8,8,8], f16[8,8,3,3]) -> f16[1,8,6,6]"), 1, refused).empty());
    EXPECT_EQ(refused.code, TN_ENVIRONMENT);
    EXPECT_THAT(refused.reason, HasSubstr("cannot open"));
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
        const std::vector<KeptTactic> found = tactics(conv);
        for (const KeptTactic& kept : found) {
            const CompiledBlob blob = compile(conv, kept, why);
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

// Two convolutions of one tensor, with different windows: a plan for each, in one kernel.
TEST_F(ModuleTest, BuildsSiblings) {
    if (!isInstalled()) {
        GTEST_SKIP() << "libcudnn.so.9 is not in " TENON_CUDNN_FOLDER;
    }
    load(TENON_CUDNN_FOLDER);
    const TnTask& siblings =
        task("fused[%a = conv(%0, %1, %2) : f16[1,32,14,14]; %c = conv(%0, %3, %4) {pads=[1,1,1,1]} : f16[1,64,14,14];"
             " %b = activation.relu(%a) : f16[1,32,14,14]; %d = activation.relu(%c) : f16[1,64,14,14]]"
             "(f16[1,64,14,14], const f16[32,64,1,1], const f16[32], const f16[64,64,3,3], const f16[64])"
             " -> f16[1,32,14,14], f16[1,64,14,14]");
    std::string why;
    CompiledBlob built;
    for (const KeptTactic& kept : tactics(siblings)) {
        EXPECT_THAT(kept.name, HasSubstr(" | "));
        const CompiledBlob blob = compile(siblings, kept, why);
        std::string reason;
        if (!blob.bytes.empty()) {
            EXPECT_EQ(blob.runtime, "cudnn");
            EXPECT_EQ(read(blob.bytes, reason, blob.version), TN_OK) << kept.name << ": " << reason;
            built = blob;
        }
    }
    ASSERT_FALSE(built.bytes.empty()) << why;
    expectCutBytesRefused(built, 97);
    // Of two convolutions one after the other nothing is side by side.
    EXPECT_NE(refusal("fused[%a = conv(%0, %1) : f16[1,8,4,4]; %b = conv(%a, %1) : f16[1,8,4,4]]"
                      "(f16[1,8,4,4], const f16[8,8,1,1]) -> f16[1,8,4,4], f16[1,8,4,4]"),
              "");
    EXPECT_THAT(refusal("fused[%a = conv(%0, %1) : f16[1,8,4,4]; %b = softmax(%0) : f16[1,8,4,4]]"
                        "(f16[1,8,4,4], const f16[8,8,1,1]) -> f16[1,8,4,4], f16[1,8,4,4]"),
                HasSubstr("softmax"));
}

TEST_F(ModuleTest, RefusesAttentionThatItsEnginesDoNotDo) {
    loadWithEmptyLibrary();
    const std::string three = "(f16[1,2,16,8], f16[1,2,16,8], f16[1,2,16,8]";
    EXPECT_EQ(refusal("attention" + three + ") -> f16[1,2,16,8]"), "");
    EXPECT_THAT(refusal("attention" + three + ") {causal=1} -> f16[1,2,16,8]"), HasSubstr("causal"));
    EXPECT_THAT(refusal("attention(f16[1,2,16,8], f16[1,2,8,16], f16[1,2,16,8]) {k_transposed=1} -> f16[1,2,16,8]"),
                HasSubstr("side by side"));
    EXPECT_THAT(refusal("attention" + three + ", bool[16]) -> f16[1,2,16,8]"), HasSubstr("bools"));
    EXPECT_THAT(refusal("attention(f32[1,2,16,8], f32[1,2,16,8], f32[1,2,16,8]) -> f32[1,2,16,8]"), HasSubstr("f32"));
}

TEST_F(ModuleTest, DamagedBytesAreRefused) {
    if (!isInstalled()) {
        GTEST_SKIP() << "libcudnn.so.9 is not in " TENON_CUDNN_FOLDER;
    }
    load(TENON_CUDNN_FOLDER);
    const TnTask& conv = task("conv(f16[1,64,14,14], const f16[64,64,1,1], const f16[64]) -> f16[1,64,14,14]");
    CompiledBlob blob;
    std::string reason;
    for (const KeptTactic& kept : tactics(conv)) {
        blob = blob.bytes.empty() ? compile(conv, kept, reason) : blob;
    }
    ASSERT_FALSE(blob.bytes.empty()) << reason;
    expectCutBytesRefused(blob, 97);
    // Any byte changed: refused, or still a kernel, whose plan is built again; never a crash.
    for (size_t at = 0; at < blob.bytes.size(); at += at < 200 ? 1 : 13) {
        std::vector<std::byte> damaged = blob.bytes;
        damaged[at] ^= std::byte{0xFF};
        read(damaged, reason);
    }
}

} // namespace
} // namespace tenon::cudnn
