// The module as a host sees it on a machine without a device: it loads or says what is missing, and builds plans for a device that is described
// only, with the engines that are compiled already.
#include "tests/unit/backends/described_device.h"

#include <gmock/gmock.h>

#include <dlfcn.h>

#include <set>

namespace tenon::cudnn {
namespace {

using conformance::CompiledBlob;
using conformance::KeptTactic;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

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

TEST_F(ModuleTest, RefusesNormalizationsThatItsEnginesDoNotDo) {
    loadWithEmptyLibrary();
    EXPECT_EQ(refusal("layer_norm(f32[3,4,17], f32[17], f32[17]) -> f32[3,4,17]"), "");
    EXPECT_EQ(refusal("layer_norm(f16[3,256], f16[1,256], f16[1,256]) {axis=1} -> f16[3,256]"), "");
    EXPECT_EQ(refusal("rms_norm(bf16[3,4,6]) {axis=1} -> bf16[3,4,6]"), "");
    EXPECT_EQ(refusal("instance_norm(f16[2,5,6,6], f16[5], f16[5]) -> f16[2,5,6,6]"), "");
    EXPECT_THAT(refusal("layer_norm(f64[3,4,17], f64[17], f64[17]) -> f64[3,4,17]"), HasSubstr("f64"));
    EXPECT_THAT(refusal("layer_norm(f32[3,70], -, f32[70]) -> f32[3,70]"), HasSubstr("multiplies by a scale"));
    EXPECT_THAT(refusal("layer_norm(f32[3,8], f32[1], f32[8]) -> f32[3,8]"), HasSubstr("each element"));
    // As many elements as are normalised, but of other rows.
    EXPECT_THAT(refusal("layer_norm(f16[64,64], f16[64,1], f16[64]) {axis=1} -> f16[64,64]"),
                HasSubstr("each element"));
    EXPECT_THAT(refusal("layer_norm(f32[3,70]) {epsilon=1e-12} -> f32[3,70]"), HasSubstr("epsilon"));
    EXPECT_THAT(refusal("instance_norm(f32[2,5], f32[5], f32[5]) -> f32[2,5]"), HasSubstr("rank 2"));
    EXPECT_THAT(refusal("fused[%a = binary.add(%0, %1) : f16[2,5,6,6]; %b = instance_norm(%a, %2, %3) : f16[2,5,6,6]]"
                        "(f16[2,5,6,6], f16[2,5,6,6], f16[5], f16[5]) -> f16[2,5,6,6]"),
                HasSubstr("the sum in front"));
    EXPECT_THAT(refusal("fused[%a = binary.add(%0, %1) : f16[7,256]; %b = layer_norm(%a) {axis=1} : f16[7,256]]"
                        "(f16[7,256], f16[1,256]) -> f16[7,256]"),
                HasSubstr("its own shape"));
}

// Engines that compile at run time look for a driver before they say whether they take a graph. Without one, that of the toolkit, which knows its
// functions' names and computes nothing, is enough for the answer.
class RuntimeEnginesTest : public ModuleTest {
protected:
    void SetUp() override {
        if (!isInstalled() || (dlopen("libcuda.so.1", RTLD_NOW) == nullptr &&
                               dlopen(TENON_CUDNN_FOLDER "/stubs/libcuda.so", RTLD_NOW) == nullptr)) {
            GTEST_SKIP() << "libcudnn.so.9, or the driver that stands in for a real one, is not in " TENON_CUDNN_FOLDER;
        }
        load(TENON_CUDNN_FOLDER);
    }
};

// What is offered is known here, plans are made where there is a device.
TEST_F(RuntimeEnginesTest, OffersNormalizationsForADescribedDevice) {
    const auto engines = [&](const std::string& line) {
        std::set<std::string> found;
        const TnTask& norm = task(line);
        for (const KeptTactic& kept : tactics(norm)) {
            found.insert(kept.name.substr(0, kept.name.find('/')));
            for (const TnPortFormat& port : kept.outputs) {
                EXPECT_TRUE(module::equal(port.format, kept.inputs[0].format)) << kept.name;
            }
            std::string why;
            const CompiledBlob blob = compile(norm, kept, why);
            std::string reason;
            EXPECT_TRUE(blob.bytes.empty() || read(blob.bytes, reason) == TN_OK) << kept.name << ": " << reason;
        }
        return found;
    };
    // One engine takes lines of every length, the others those that divide into what a warp reads at once.
    const std::set<std::string> any{"eng1"};
    const std::set<std::string> all{"eng1", "eng4", "eng5", "eng6"};
    EXPECT_THAT(engines("layer_norm(f32[3,4,17], f32[17], f32[17]) -> f32[3,4,17]"), IsSupersetOf(any));
    EXPECT_THAT(engines("layer_norm(f16[2,197,768], f16[768], f16[768]) -> f16[2,197,768]"), IsSupersetOf(all));
    EXPECT_THAT(engines("layer_norm(f16[3,4,64], f16[4,64], f16[4,64]) {axis=1} -> f16[3,4,64]"), IsSupersetOf(all));
    EXPECT_THAT(engines("layer_norm(f32[3,768]) -> f32[3,768]"), IsSupersetOf(all));
    EXPECT_THAT(engines("rms_norm(bf16[4,4096], bf16[4096]) -> bf16[4,4096]"), IsSupersetOf(all));
    EXPECT_THAT(engines("rms_norm(f32[3,17]) -> f32[3,17]"), IsSupersetOf(any));
    EXPECT_THAT(engines("instance_norm(f32[1,3,200], f32[3], f32[3]) -> f32[1,3,200]"), UnorderedElementsAre("eng2"));
    EXPECT_THAT(engines("instance_norm(f16[2,64,32,32], f16[64], f16[64]) -> f16[2,64,32,32]"),
                UnorderedElementsAre("eng2", "eng3"));
    // The sum in front, which may leave too.
    const std::string sums = "fused[%a = binary.add(%0, %1) : f16[5,768]; %b = ";
    EXPECT_THAT(engines(sums + "layer_norm(%a, %2, %3) {axis=1} : f16[5,768]]"
                               "(f16[5,768], f16[5,768], f16[768], f16[768]) -> f16[5,768]"),
                UnorderedElementsAre("eng5"));
    EXPECT_THAT(engines(sums + "rms_norm(%a, %2) {axis=1} : f16[5,768]]"
                               "(f16[5,768], f16[5,768], f16[768]) -> f16[5,768], f16[5,768]"),
                UnorderedElementsAre("eng5"));
}

// What a plan's bytes say of a norm is checked as that of a convolution is.
TEST_F(RuntimeEnginesTest, ImagesKeepTheirLayout) {
    const TnTask& norm = task("instance_norm(f16[2,64,8,8], f16[64], f16[64]) -> f16[2,64,8,8]");
    std::set<bool> linear;
    for (const KeptTactic& kept : tactics(norm)) {
        linear.insert(module::isLinear(kept.inputs[0].format));
    }
    EXPECT_THAT(linear, UnorderedElementsAre(false, true));
    KeptTactic mixed = tactics(norm).front();
    mixed.outputs[0].format =
        module::isLinear(mixed.inputs[0].format) ? module::channelsLastFormat(4) : module::linearFormat(4);
    CompiledBlob blob;
    EXPECT_EQ(conformance::compileTactic(tables(), norm, mixed, 1, blob).code, TN_INVALID_ARGUMENT);
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
