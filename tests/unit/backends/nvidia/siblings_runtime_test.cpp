// Kernels of parts that run side by side, with a driver that runs nothing (driver_stub.cpp).
#include "backends/cuda/stream.h"
#include "backends/nvidia/driver.h"
#include "backends/nvidia/siblings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::nvidia {
namespace {

using module::Code;
using testing::HasSubstr;

std::string driverLog() { return reinterpret_cast<const char* (*)()>(driverSymbol("stubLog"))(); }
void note(const std::string& line) { reinterpret_cast<void (*)(const char*)>(driverSymbol("stubNote"))(line.c_str()); }

// A kernel that only tells what it is given.
struct Telling {
    std::string name;
    int64_t workspace = 0;
    bool fails = false;
};

class TellingState final : public module::State {
public:
    explicit TellingState(const Telling& of) : mOf(of) {}
    Code prepare(const module::PrepareArgs& args, module::Reason&) override {
        std::string line = module::text(mOf.name, " is prepared for");
        for (const TnTensor& tensor : args.inputs()) {
            line += module::text(" ", tensor.dims[0]);
        }
        note(module::text(line, " -> ", args.output(0).dims[0]));
        return Code::kOk;
    }
    Code launch(const module::LaunchArgs& args) override {
        const auto at = [](const void* address) { return reinterpret_cast<uintptr_t>(address); };
        note(module::text(mOf.name, " on ", at(args.stream()->stream), " reads ", at(args.input(0)), " ",
                          at(args.input(1)), " writes ", at(args.output(0)), " beside ", at(args.workspace())));
        return mOf.fails ? args.reason().internal(mOf.name, " fails") : Code::kOk;
    }

private:
    const Telling mOf;
};

class TellingKernel final : public module::Kernel {
public:
    explicit TellingKernel(Telling of) : mOf(std::move(of)) {}
    int64_t workspace(module::Session&, const module::PrepareArgs&, module::Reason&) const override {
        return mOf.workspace;
    }
    std::unique_ptr<module::State> makeState(module::Session&, module::Reason&) const override {
        return std::make_unique<TellingState>(mOf);
    }

private:
    Telling mOf;
};

class TellingRuntime final : public module::KernelRuntime {
public:
    std::string name() const override { return "telling"; }
    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t version,
                                                module::Reason& reason) override {
        module::BlobReader in(blob, version);
        Telling of;
        of.name = in.string();
        of.workspace = in.i64();
        of.fails = in.boolean();
        return in.finish(reason) ? std::make_unique<TellingKernel>(std::move(of)) : nullptr;
    }
};

// The bytes of siblings, part by part.
class Parts {
public:
    Parts& add(const Telling& kernel, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
        module::BlobWriter own(1);
        own.string(kernel.name);
        own.i64(kernel.workspace);
        own.boolean(kernel.fails);
        mParts.u32(1);
        mParts.bytes(own.data());
        mParts.array(std::span<const int32_t>(inputs));
        mParts.array(std::span<const int32_t>(outputs));
        ++mCount;
        return *this;
    }
    std::vector<std::byte> bytes() const {
        module::BlobWriter whole(kSiblingsVersion);
        whole.u64(mCount);
        std::vector<std::byte> all(whole.data().begin(), whole.data().end());
        const auto parts = mParts.data().subspan(module::BlobWriter(1).data().size());
        all.insert(all.end(), parts.begin(), parts.end());
        return all;
    }

private:
    module::BlobWriter mParts{1};
    uint64_t mCount = 0;
};

class SiblingsRuntimeTest : public testing::Test {
protected:
    SiblingsRuntimeTest() {
        for (int64_t i = 0; i < 5; ++i) {
            tensors[i].rank = 1;
            tensors[i].dims[0] = 10 * (i + 1);
        }
        prepared.struct_size = sizeof(prepared);
        prepared.input_count = 3;
        prepared.output_count = 2;
        prepared.tensor_stride = sizeof(TnTensor);
        prepared.inputs = &tensors[0];
        prepared.outputs = &tensors[3];
        launched.struct_size = sizeof(launched);
        launched.inputs = &inputs[0];
        launched.outputs = &outputs[0];
        launched.workspace = reinterpret_cast<void*>(4096);
        launched.stream = &stream;
        launched.reason = &sink;
    }
    void SetUp() override { ASSERT_NE(driverSymbol("stubLog"), nullptr) << "another libcuda.so.1 was found first"; }

    std::unique_ptr<module::Kernel> read(const Parts& parts) {
        return runtime->deserialize(parts.bytes(), kSiblingsVersion, reason);
    }

    TnTensor tensors[5] = {};
    TnPrepareArgs prepared{};
    TnLaunchArgs launched{};
    TnStream stream{reinterpret_cast<cudaStream_t>(77)};
    const void* inputs[3] = {reinterpret_cast<void*>(101), reinterpret_cast<void*>(102), reinterpret_cast<void*>(103)};
    void* outputs[2] = {reinterpret_cast<void*>(201), reinterpret_cast<void*>(202)};
    std::string said;
    TnSink sink{&said,
                [](void* to, const char* text, size_t size) { static_cast<std::string*>(to)->append(text, size); }};
    module::Reason reason{&sink};
    module::Session session;
    std::unique_ptr<module::KernelRuntime> runtime = withSiblings(std::make_unique<TellingRuntime>());
};

TEST_F(SiblingsRuntimeTest, EachOnAStreamWithItsPortsAndAWorkspaceOfItsOwn) {
    const auto kernel = read(Parts().add({"left", 100}, {0, 1}, {0}).add({"right", 300}, {0, 2}, {1}));
    ASSERT_NE(kernel, nullptr) << said;
    EXPECT_EQ(kernel->workspace(session, module::PrepareArgs(&prepared), reason), 256 + 512);
    const auto state = kernel->makeState(session, reason);
    ASSERT_EQ(state->prepare(module::PrepareArgs(&prepared), reason), Code::kOk) << said;
    EXPECT_EQ(driverLog(), "left is prepared for 10 20 -> 40\nright is prepared for 10 30 -> 50\n");
    ASSERT_EQ(state->launch(module::LaunchArgs(&launched)), Code::kOk) << said;
    const std::string log = driverLog();
    EXPECT_THAT(log, HasSubstr("left on 77 reads 101 102 writes 201 beside 4096\n"));
    EXPECT_THAT(log, HasSubstr(" reads 101 103 writes 202 beside 4352\n"));
    // The branch begins after what is on the stream, and the stream goes on after the branch.
    EXPECT_LT(log.find("on 77\n"), log.find("waits for"));
    EXPECT_LT(log.find("right on"), log.find("77 waits for event"));
}

TEST_F(SiblingsRuntimeTest, BranchesEndAlsoAfterAFailure) {
    const auto kernel = read(Parts().add({"left"}, {0, 1}, {0}).add({"right", 0, true}, {0, 2}, {1}));
    ASSERT_NE(kernel, nullptr) << said;
    const auto state = kernel->makeState(session, reason);
    EXPECT_EQ(state->launch(module::LaunchArgs(&launched)), Code::kInvalidArgument); // not prepared
    ASSERT_EQ(state->prepare(module::PrepareArgs(&prepared), reason), Code::kOk) << said;
    EXPECT_EQ(state->launch(module::LaunchArgs(&launched)), Code::kInternal);
    EXPECT_THAT(said, HasSubstr("right fails"));
    EXPECT_THAT(driverLog(), HasSubstr("77 waits for event"));
}

TEST_F(SiblingsRuntimeTest, ImpossiblePartsAreRefused) {
    const Telling any{"any"};
    EXPECT_EQ(read(Parts().add(any, {0, 1}, {0})), nullptr);
    EXPECT_THAT(said, HasSubstr("two parts"));
    EXPECT_EQ(read(Parts().add(any, {0, 1}, {0}).add(any, {0, 2}, {0})), nullptr); // both write one output
    EXPECT_EQ(read(Parts().add(any, {0, -1}, {0}).add(any, {0, 2}, {1})), nullptr);
    // Ports that the task does not have show when the shapes come.
    const auto kernel = read(Parts().add(any, {0, 1}, {0}).add(any, {0, 3}, {1}));
    ASSERT_NE(kernel, nullptr) << said;
    EXPECT_EQ(kernel->workspace(session, module::PrepareArgs(&prepared), reason), -1);
    EXPECT_EQ(kernel->makeState(session, reason)->prepare(module::PrepareArgs(&prepared), reason),
              Code::kInvalidArgument);
}

TEST_F(SiblingsRuntimeTest, OtherBytesAreTheInnerRuntimes) {
    module::BlobWriter one(1);
    one.string("one");
    one.i64(7);
    one.boolean(false);
    const auto kernel = runtime->deserialize(one.data(), 1, reason);
    ASSERT_NE(kernel, nullptr) << said;
    EXPECT_EQ(kernel->workspace(session, module::PrepareArgs(&prepared), reason), 7);
}

} // namespace
} // namespace tenon::nvidia
