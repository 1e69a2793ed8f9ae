// Plans made by hand on the host and the fake device: order, copies, streams, recordings, profiles, contexts on threads.
#include "tests/modules/fake_device/device.h"
#include "tests/modules/fake_device/kernels.h"

#include "core/runtime/context_state.h"
#include "core/runtime/loaded_plan.h"
#include "fake_runtime.h"
#include "plan_maker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <thread>

namespace tenon::runtime {

using fake::Kind;
using fake::Memory;
using testing::FakeRuntime;
using ::testing::HasSubstr;
using testing::PlanMaker;

namespace {

constexpr TnPlacement kDevice = 1;

class Machine {
public:
    Machine() : mBackend(fake::makeBackend()), mKernels(fake::makeRuntime()) {
        registry::SnapshotEntries entries;
        registry::BackendEntry backend;
        backend.name = "fakegpu";
        backend.table = mBackend.table();
        entries.backends.push_back(backend);
        registry::RuntimeEntry runtime;
        runtime.name = std::string(fake::kRuntimeName);
        runtime.blobMin = runtime.blobMax = fake::kBlobVersion;
        runtime.table = mKernels.table();
        entries.runtimes.push_back(runtime);
        auto with = host.snapshot()->with(std::move(entries));
        EXPECT_TRUE(with.ok()) << with.status().toString();
        snapshot = *with;
    }
    std::shared_ptr<const LoadedPlan> load(const plan::Plan& plan) {
        LoadOptions options;
        options.machine = "";
        auto loaded = LoadedPlan::load(plan, snapshot, options);
        EXPECT_TRUE(loaded.ok()) << loaded.status().toString();
        return loaded.ok() ? *loaded : nullptr;
    }

    FakeRuntime host;
    std::shared_ptr<const registry::RegistrySnapshot> snapshot;

private:
    module::detail::BackendTable mBackend;
    module::detail::KernelRuntimeTable<> mKernels;
};

// Adds device parts to hand-made plans.
class Maker : public PlanMaker {
public:
    Maker() {
        plan().devices.push_back({"fakegpu", "{}", ""});
        plan().requirements.push_back({"fakegpu", "1", std::string(fake::kRuntimeName), fake::kBlobVersion});
        plan().weightProgram.deviceArenaBytes = {0};
    }
    int32_t deviceInput(const std::string& name, std::vector<testing::ExprIndex> dims,
                        std::vector<std::array<std::vector<int64_t>, 3>> profiles) {
        const int32_t binding = input(name, std::move(dims), std::move(profiles));
        plan().bindings.back().placement = kDevice;
        return binding;
    }
    int32_t deviceOutput(const std::string& name, std::vector<testing::ExprIndex> dims) {
        const int32_t binding = output(name, std::move(dims));
        plan().bindings.back().placement = kDevice;
        return binding;
    }
    int32_t deviceTensor(plan::PlanTensor::Role role, int32_t storage, std::vector<testing::ExprIndex> dims,
                         int64_t capacity) {
        const int32_t index = tensor(role, storage, std::move(dims), capacity);
        for (plan::PlanProgram& program : plan().programs) {
            program.deviceArenaBytes.resize(1, 0);
            plan::PlanTensor& made = program.tensors.back();
            made.placement = kDevice;
            if (role == plan::PlanTensor::Role::kActivation) {
                made.offset = program.deviceArenaBytes[0];
                program.deviceArenaBytes[0] += (capacity + 255) / 256 * 256;
            }
        }
        return index;
    }
    plan::PlanStep onDevice(Kind kind, const std::string& what, std::vector<int32_t> inputs,
                            std::vector<int32_t> outputs) {
        plan::PlanStep made;
        made.name = what;
        made.op = what;
        made.placement = kDevice;
        made.kernel = static_cast<int32_t>(plan().kernels.size());
        module::BlobWriter out(fake::kBlobVersion);
        out.u8(static_cast<uint8_t>(kind));
        plan().kernels.push_back({std::string(fake::kRuntimeName), fake::kBlobVersion,
                                  std::make_shared<const std::vector<std::byte>>(out.data().begin(), out.data().end()),
                                  "fakegpu/" + what});
        made.inputs = std::move(inputs);
        made.outputs = std::move(outputs);
        made.traits = kind == Kind::kNeg ? 0 : TN_TRAIT_CAPTURE_SAFE;
        return made;
    }
    plan::PlanStep copy(int32_t from, int32_t to) {
        plan::PlanStep made;
        made.kind = plan::StepKind::kCopy;
        made.name = made.op = "copy";
        made.placement = kDevice;
        made.inputs = {from};
        made.outputs = {to};
        return made;
    }
};

using Role = plan::PlanTensor::Role;

// y[N] = (relu(x) + relu(x)) reversed on the host + w, with N in 1..64; the sum goes through host memory, whose bytes are used twice.
plan::Plan mixedPlan() {
    Maker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 8, 64}});
    const int32_t x = maker.deviceInput("x", {n}, {{{{1}, {8}, {64}}}});
    const int32_t y = maker.deviceOutput("y", {n});
    const int32_t in = maker.deviceTensor(Role::kInput, x, {n}, 256);
    const int32_t a = maker.deviceTensor(Role::kActivation, -1, {n}, 256);
    const int32_t b = maker.deviceTensor(Role::kActivation, -1, {n}, 256);
    const int32_t down = maker.tensor(Role::kActivation, -1, {n}, 256);
    const int32_t reversed = maker.tensor(Role::kActivation, -1, {n}, 256);
    const int32_t again = maker.tensor(Role::kActivation, -1, {n}, 256);
    for (plan::PlanProgram& program : maker.plan().programs) {
        program.tensors[static_cast<size_t>(again)].offset = program.tensors[static_cast<size_t>(down)].offset;
    }
    const int32_t up = maker.deviceTensor(Role::kActivation, -1, {n}, 256);
    const int32_t out = maker.deviceTensor(Role::kOutput, y, {n}, 256);
    maker.step(maker.onDevice(Kind::kRelu, "relu", {in}, {a}));
    maker.step(maker.onDevice(Kind::kAdd, "add", {a, a}, {b}));
    maker.step(maker.copy(b, down));
    maker.step(maker.launch("reverse", {down}, {reversed}));
    maker.step(maker.copy(reversed, up));
    maker.step(maker.launch("copy", {reversed}, {again})); // writes where the first copy may still write
    maker.step(maker.onDevice(Kind::kAdd, "add 2", {up, a}, {out}));
    return maker.finish();
}

// y[4] = relu(x) + w, on the device only.
plan::Plan devicePlan(Kind first = Kind::kRelu) {
    Maker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 4, 4}});
    const int32_t x = maker.deviceInput("x", {n}, {{{{1}, {4}, {4}}}});
    const int32_t y = maker.deviceOutput("y", {n});
    const int32_t in = maker.deviceTensor(Role::kInput, x, {n}, 16);
    const int32_t a = maker.deviceTensor(Role::kActivation, -1, {n}, 16);
    const int32_t w = maker.deviceTensor(Role::kConstant, maker.floats("w", {10, 20, 30, 40}), {maker.constant(4)}, 16);
    const int32_t out = maker.deviceTensor(Role::kOutput, y, {n}, 16);
    maker.step(maker.onDevice(first, first == Kind::kNeg ? "negate" : "relu", {in}, {a}));
    maker.step(maker.onDevice(Kind::kAdd, "add", {a, w}, {out}));
    return maker.finish();
}

// A context with its bindings in the device's memory.
struct Runner {
    explicit Runner(const std::shared_ptr<const LoadedPlan>& plan) : device(plan->devices().at(kDevice)) {
        auto made = ContextState::create(plan, {.threads = 1});
        EXPECT_TRUE(made.ok()) << made.status().toString();
        context = std::move(*made);
        for (int i = 0; i < 2; ++i) {
            memory.emplace_back(device.allocator());
            EXPECT_TRUE(memory.back().reserve(256, "a binding").ok());
            EXPECT_TRUE(context->setAddress(i, memory.back().data()).ok());
        }
    }
    void give(const std::vector<float>& x) {
        const std::vector<int64_t> dims = {static_cast<int64_t>(x.size())};
        EXPECT_TRUE(context->setInputShape(0, dims).ok());
        EXPECT_TRUE(device.copy(memory[0].data(), x.data(), static_cast<int64_t>(x.size() * 4), nullptr).ok());
        size = x.size();
    }
    std::vector<float> take() {
        std::vector<float> y(size);
        EXPECT_TRUE(device.copy(y.data(), memory[1].data(), static_cast<int64_t>(size * 4), nullptr).ok());
        return y;
    }
    std::vector<float> run(const std::vector<float>& x) {
        give(x);
        const support::Status status = context->enqueue(nullptr);
        EXPECT_TRUE(status.ok()) << status.toString();
        return take();
    }

    const Device& device;
    std::unique_ptr<ContextState> context;
    std::vector<GrowingBuffer> memory;
    size_t size = 0;
};

std::vector<float> counting(size_t count, float first) {
    std::vector<float> x(count);
    std::iota(x.begin(), x.end(), first);
    return x;
}

std::vector<float> mixedAnswer(const std::vector<float>& x) {
    std::vector<float> y(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
        y[i] = 2 * std::max(x[x.size() - 1 - i], 0.0F) + std::max(x[i], 0.0F);
    }
    return y;
}

TEST(DevicePlan, HostAndDeviceStepsKeepTheirOrder) {
    Machine machine;
    Runner runner(machine.load(mixedPlan()));
    for (int i = 0; i < 20; ++i) {
        const std::vector<float> x = counting(1 + static_cast<size_t>(i * 7) % 64, -3.0F * static_cast<float>(i));
        ASSERT_EQ(runner.run(x), mixedAnswer(x)) << i;
    }
}

TEST(DevicePlan, ConstantsAreUploadedOnceAndMemoryGoesBack) {
    Machine machine;
    const int64_t before = Memory::process().used();
    {
        const auto plan = machine.load(devicePlan());
        EXPECT_EQ(plan->constants().deviceBytes(), 256);
        Runner one(plan);
        Runner two(plan);
        EXPECT_EQ(one.run({-1, 2, -3, 4}), (std::vector<float>{10, 22, 30, 44}));
        EXPECT_EQ(two.run({1, 1, 1, 1}), (std::vector<float>{11, 21, 31, 41}));
    }
    EXPECT_EQ(Memory::process().used(), before);
}

// Three constants, one of them larger than the room that weights go through, on the device.
plan::Plan heavyPlan(const std::vector<std::vector<float>>& weights) {
    Maker maker;
    const auto n = static_cast<int64_t>(weights[0].size());
    const int32_t x = maker.deviceInput("x", {maker.constant(n)}, {{{{n}, {n}, {n}}}});
    const int32_t y = maker.deviceOutput("y", {maker.constant(n)});
    int32_t last = maker.deviceTensor(Role::kInput, x, {maker.constant(n)}, n * 4);
    for (size_t i = 0; i < weights.size(); ++i) {
        const int32_t w =
            maker.deviceTensor(Role::kConstant, maker.floats("w", weights[i]), {maker.constant(n)}, n * 4);
        const bool isLast = i + 1 == weights.size();
        const int32_t sum = isLast ? maker.deviceTensor(Role::kOutput, y, {maker.constant(n)}, n * 4)
                                   : maker.deviceTensor(Role::kActivation, -1, {maker.constant(n)}, n * 4);
        maker.step(maker.onDevice(Kind::kAdd, "add", {last, w}, {sum}));
        last = sum;
    }
    return maker.finish();
}

TEST(DevicePlan, CopiesGoThroughPinnedMemoryWhereThereIsSome) {
    fake::Seen& seen = fake::Seen::process();
    for (const char* pinned : {"1", "0"}) {
        setenv("FAKEGPU_PINNED", pinned, 1);
        const int64_t held = seen.pinnedBytes;
        const int64_t pageable = seen.pageableCopies;
        const int64_t allocated = seen.pinnedAllocated;
        const bool has = pinned[0] == '1';
        {
            Machine machine;
            // Weights: pieces of many sizes, one over the room of 8 MiB.
            for (const size_t count : {size_t{5}, size_t{100'000}, size_t{3'000'001}}) {
                const auto plan = machine.load(heavyPlan({counting(count, 1), counting(count, 2), counting(count, 3)}));
                ASSERT_NE(plan, nullptr);
                auto made = ContextState::create(plan, {.threads = 1});
                ASSERT_TRUE(made.ok());
                const Device& device = plan->devices().at(kDevice);
                GrowingBuffer in(device.allocator());
                GrowingBuffer out(device.allocator());
                const auto bytes = static_cast<int64_t>(count * 4);
                ASSERT_TRUE(in.reserve(bytes, "x").ok() && out.reserve(bytes, "y").ok());
                const std::vector<float> x(count, 0.5F);
                std::vector<float> y(count);
                ASSERT_TRUE(device.copy(in.data(), x.data(), bytes, nullptr).ok());
                ASSERT_TRUE((*made)->setAddress(0, in.data()).ok() && (*made)->setAddress(1, out.data()).ok());
                ASSERT_TRUE((*made)->enqueue(nullptr).ok());
                ASSERT_TRUE(device.copy(y.data(), out.data(), bytes, nullptr).ok());
                for (size_t i = 0; i < count; i += 1 + count / 1000) {
                    ASSERT_EQ(y[i],
                              0.5F + static_cast<float>(i + 1) + static_cast<float>(i + 2) + static_cast<float>(i + 3))
                        << i;
                }
                ASSERT_EQ(y.back(), 0.5F + static_cast<float>(count) + static_cast<float>(count + 1) +
                                        static_cast<float>(count + 2));
            }
            EXPECT_EQ(seen.pageableCopies == pageable, has);
            EXPECT_EQ(seen.pinnedBytes, held) << "the room for weights goes back when they have arrived";
            // Activations that both sides use.
            Runner runner(machine.load(mixedPlan()));
            EXPECT_EQ(seen.pinnedBytes > held, has);
            const std::vector<float> x = counting(64, -20);
            EXPECT_EQ(runner.run(x), mixedAnswer(x));
            EXPECT_EQ(seen.pageableCopies == pageable, has);
            EXPECT_EQ(seen.pinnedAllocated > allocated, has);
        }
        EXPECT_EQ(seen.pinnedBytes, held);
        unsetenv("FAKEGPU_PINNED");
    }
}

TEST(DevicePlan, AProfilerSeesRangesNamedAfterNodes) {
    setenv("FAKEGPU_TRACE", "1", 1);
    Machine machine;
    plan::Plan plan = devicePlan();
    plan.networkName = "small";
    plan.programs[0].steps[0].sources = {"/a/Relu"};
    plan.programs[0].steps[1].sources = {"/b/Add", "/c/Cast"};
    const auto loaded = machine.load(plan);
    ASSERT_NE(loaded, nullptr);
    std::vector<std::string>& ranges = fake::Seen::process().ranges;
    Runner runner(loaded);
    ranges.clear();
    EXPECT_EQ(runner.run({-1, 2, -3, 4}), (std::vector<float>{10, 22, 30, 44}));
    unsetenv("FAKEGPU_TRACE");
    EXPECT_EQ(ranges, (std::vector<std::string>{"small", "/a/Relu", "<", "/b/Add + /c/Cast", "<", "<"}));
}

TEST(DevicePlan, AUsersStreamOrdersEverything) {
    Machine machine;
    Runner runner(machine.load(mixedPlan()));
    auto first = DeviceStream::create(runner.device);
    auto second = DeviceStream::create(runner.device);
    ASSERT_TRUE(first.ok() && second.ok());
    const std::vector<float> x = counting(64, -20);
    const std::vector<float> z = counting(64, -40);
    runner.give(counting(64, 0));
    // Inputs, runs and outputs in the order of the streams alone; the second run waits for the first one though its stream is another.
    std::vector<float> y1(64);
    std::vector<float> y2(64);
    ASSERT_TRUE(runner.device.copy(runner.memory[0].data(), x.data(), 256, first->get()).ok());
    ASSERT_TRUE(runner.context->enqueue(first->get()->queue).ok());
    ASSERT_TRUE(runner.device.copy(y1.data(), runner.memory[1].data(), 256, first->get()).ok());
    ASSERT_TRUE(runner.device.synchronize(first->get()).ok());
    EXPECT_EQ(y1, mixedAnswer(x));
    ASSERT_TRUE(runner.context->enqueue(first->get()->queue).ok());
    ASSERT_TRUE(runner.device.synchronize(first->get()).ok());
    ASSERT_TRUE(runner.device.copy(runner.memory[0].data(), z.data(), 256, second->get()).ok());
    ASSERT_TRUE(runner.context->enqueue(second->get()->queue).ok());
    ASSERT_TRUE(runner.device.copy(y2.data(), runner.memory[1].data(), 256, second->get()).ok());
    ASSERT_TRUE(runner.device.synchronize(second->get()).ok());
    EXPECT_EQ(y2, mixedAnswer(z));
}

TEST(DevicePlan, EnqueueDoesNotWaitForAUsersStream) {
    setenv("FAKEGPU_DELAY_US", "20000", 1);
    Machine machine;
    Runner runner(machine.load(devicePlan()));
    auto stream = DeviceStream::create(runner.device);
    unsetenv("FAKEGPU_DELAY_US");
    ASSERT_TRUE(stream.ok());
    runner.give({1, 2, 3, 4});
    ASSERT_TRUE(runner.context->prepare().ok());
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(runner.context->enqueue((*stream).get()->queue).ok());
    const std::chrono::duration<double, std::milli> issued = std::chrono::steady_clock::now() - begin;
    ASSERT_TRUE(runner.device.synchronize(stream->get()).ok());
    const std::chrono::duration<double, std::milli> done = std::chrono::steady_clock::now() - begin;
    EXPECT_GT(done.count(), 40) << "the device's delays did not happen";
    EXPECT_LT(issued.count(), 20);
    EXPECT_EQ(runner.take(), (std::vector<float>{11, 22, 33, 44}));
}

TEST(DevicePlan, ContextsRunAtTheSameTime) {
    Machine machine;
    const auto mixed = machine.load(mixedPlan());
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            Runner runner(mixed);
            for (int i = 0; i < 10; ++i) {
                const std::vector<float> x =
                    counting(static_cast<size_t>(1 + (i * 5 + t * 11) % 64), -1.0F * static_cast<float>(i + t));
                wrong += runner.run(x) == mixedAnswer(x) ? 0 : 1;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(wrong, 0);
}

TEST(DevicePlan, TheProfilerHearsOfEveryStep) {
    setenv("FAKEGPU_DELAY_US", "2000", 1);
    Machine machine;
    Runner runner(machine.load(mixedPlan()));
    unsetenv("FAKEGPU_DELAY_US");
    std::map<std::string, float> heard;
    ASSERT_TRUE(runner.context
                    ->setProfiler(
                        {&heard, [](void* self, std::string_view step,
                                    float ms) { static_cast<std::map<std::string, float>*>(self)->emplace(step, ms); }})
                    .ok());
    const std::vector<float> x = counting(8, -2);
    EXPECT_EQ(runner.run(x), mixedAnswer(x));
    ASSERT_EQ(heard.size(), 6U); // the two copies have one name
    EXPECT_GT(heard["relu"], 1.0F);
    EXPECT_GT(heard["add 2"], 1.0F);
    EXPECT_GE(heard["reverse 3"], 0.0F);
}

TEST(Recording, IsReplayedPerShapeAndAddress) {
    Machine machine;
    Runner runner(machine.load(devicePlan()));
    ASSERT_TRUE(runner.context->setRecording(true).ok());
    EXPECT_EQ(runner.run({-1, 2, -3, 4}), (std::vector<float>{10, 22, 30, 44}));
    EXPECT_EQ(runner.context->recordings(), 1U);
    EXPECT_EQ(runner.run({5, 6, 7, 8}), (std::vector<float>{15, 26, 37, 48})); // other contents, the same recording
    EXPECT_EQ(runner.context->recordings(), 1U);
    EXPECT_EQ(runner.run({1, -1}), (std::vector<float>{11, 20}));
    EXPECT_EQ(runner.context->recordings(), 2U);
    const int64_t prepared = runner.context->preparedSteps();
    EXPECT_EQ(runner.run({0, 0, 1, 1}),
              (std::vector<float>{10, 20, 31, 41})); // the first one again: nothing is prepared
    EXPECT_EQ(runner.context->preparedSteps(), prepared);
    EXPECT_EQ(runner.context->recordings(), 2U);
    GrowingBuffer elsewhere(runner.device.allocator());
    ASSERT_TRUE(elsewhere.reserve(16, "another output").ok());
    ASSERT_TRUE(runner.context->setAddress(1, elsewhere.data()).ok());
    runner.run({1, 1, 1, 1});
    EXPECT_EQ(runner.context->recordings(), 3U);
    std::vector<float> y(4);
    ASSERT_TRUE(runner.device.copy(y.data(), elsewhere.data(), 16, nullptr).ok());
    EXPECT_EQ(y, (std::vector<float>{11, 21, 31, 41}));
    ASSERT_TRUE(runner.context->setRecording(false).ok());
    EXPECT_EQ(runner.context->recordings(), 0U);
}

TEST(Recording, TheLeastRecentlyUsedGoes) {
    Machine machine;
    Runner runner(machine.load(mixedPlan()));
    // A plan with a host step is refused, with the step's name, before anything happens.
    const support::Status refused = runner.context->setRecording(true);
    EXPECT_EQ(refused.code(), support::Code::kUnsupported);
    EXPECT_THAT(refused.message(), HasSubstr("step 'reverse 3' (reverse) runs on the host"));
    EXPECT_FALSE(runner.context->recording());

    Runner small(machine.load(devicePlan()));
    ASSERT_TRUE(small.context->setRecording(true).ok());
    std::vector<GrowingBuffer> outputs;
    for (size_t i = 0; i < RunRecordings::kCapacity + 3; ++i) {
        outputs.emplace_back(small.device.allocator());
        ASSERT_TRUE(outputs.back().reserve(16, "an output").ok());
        ASSERT_TRUE(small.context->setAddress(1, outputs.back().data()).ok());
        small.run({1, 2, 3, 4});
        std::vector<float> y(4);
        ASSERT_TRUE(small.device.copy(y.data(), outputs.back().data(), 16, nullptr).ok());
        EXPECT_EQ(y, (std::vector<float>{11, 22, 33, 44}));
    }
    EXPECT_EQ(small.context->recordings(), RunRecordings::kCapacity);
}

TEST(Recording, AStepThatMayNotBeRecordedIsNamed) {
    Machine machine;
    Runner runner(machine.load(devicePlan(Kind::kNeg)));
    EXPECT_THAT(runner.context->setRecording(true).message(),
                HasSubstr("step 'negate' (negate, fakegpu/negate) does not declare that its launch may be recorded"));
    EXPECT_EQ(runner.run({1, 2, 3, 4}), (std::vector<float>{9, 18, 27, 36}));
}

TEST(Recording, AUserMayRecordTheStream) {
    Machine machine;
    Runner runner(machine.load(devicePlan()));
    auto stream = DeviceStream::create(runner.device);
    ASSERT_TRUE(stream.ok());
    runner.give({1, 2, 3, 4});
    ASSERT_TRUE(runner.context->prepare().ok());
    const TnCapture& capture = *runner.device.capture();
    ASSERT_EQ(capture.begin(capture.self, stream->get(), nullptr), TN_OK);
    ASSERT_TRUE(runner.context->enqueue((*stream).get()->queue).ok());
    TnRecording* recording = nullptr;
    ASSERT_EQ(capture.end(capture.self, stream->get(), &recording, nullptr), TN_OK);
    runner.give({5, 5, 5, 5});
    ASSERT_EQ(capture.replay(capture.self, recording, stream->get(), nullptr), TN_OK);
    ASSERT_TRUE(runner.device.synchronize(stream->get()).ok());
    EXPECT_EQ(runner.take(), (std::vector<float>{15, 25, 35, 45}));
    capture.destroy(capture.self, recording);

    Runner mixed(machine.load(mixedPlan()));
    mixed.give({1, 2});
    ASSERT_EQ(capture.begin(capture.self, stream->get(), nullptr), TN_OK);
    EXPECT_THAT(mixed.context->enqueue((*stream).get()->queue).message(), HasSubstr("runs on the host"));
    capture.end(capture.self, stream->get(), nullptr, nullptr);
}

TEST(DevicePlan, WithoutItsDeviceIsRefused) {
    Machine machine;
    LoadOptions options;
    options.machine = "";
    setenv("FAKEGPU_DEVICES", "0", 1);
    const support::Status status = LoadedPlan::load(devicePlan(), machine.snapshot, options).status();
    unsetenv("FAKEGPU_DEVICES");
    EXPECT_EQ(status.code(), support::Code::kEnvironment);
    EXPECT_THAT(status.toString(), HasSubstr("FAKEGPU_DEVICES says that there is none"));
}

TEST(DevicePlan, UserMemoryIsTheDevices) {
    Machine machine;
    const auto plan = machine.load(mixedPlan());
    auto made = ContextState::create(plan, {.threads = 1, .ownArena = false});
    ASSERT_TRUE(made.ok());
    GrowingBuffer arena(plan->devices().at(kDevice).allocator());
    ASSERT_TRUE(arena.reserve(plan->largestArenaBytes(), "the user's arena").ok());
    EXPECT_EQ(plan->largestArenaBytes(), 3 * 256);
    Runner runner(plan);
    runner.context = std::move(*made);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(runner.context->setAddress(i, runner.memory[static_cast<size_t>(i)].data()).ok());
    }
    EXPECT_THAT(runner.context->setAddress(0, runner.memory[0].data() + sizeof(float)).message(),
                HasSubstr("not aligned to 16 bytes, as kernels of its device need"));
    const std::vector<float> x = counting(5, -2);
    runner.give(x);
    EXPECT_THAT(runner.context->enqueue(nullptr).message(), HasSubstr("needs 768 bytes of memory"));
    ASSERT_TRUE(runner.context->setArena(arena.data(), arena.bytes()).ok());
    EXPECT_EQ(runner.run(x), mixedAnswer(x));
}

// What the packed weights of a plan without their bytes need: the weight program runs when the plan is loaded.
TEST(DevicePlan, MissingDerivedConstantsAreComputedAtLoad) {
    Machine machine;
    Maker maker;
    const auto one = maker.constant(1);
    const auto two = maker.constant(2);
    const int32_t x = maker.deviceInput("x", {one, two}, {{{{1, 2}, {1, 2}, {1, 2}}}});
    const int32_t y = maker.deviceOutput("y", {one, two});
    const int32_t source = maker.floats("w", {1, 2, 3, 4});
    maker.plan().constants[0].dims = {2, 2};
    maker.plan().constants[0].format = ir::linearFormat(2);
    plan::PlanConstant packed = maker.plan().constants[0];
    packed.format = module::opaqueFormat(2, "fakegpu", 77, 1, 16);
    packed.data = nullptr;
    packed.owner = nullptr;
    packed.derived = true;
    maker.plan().constants.push_back(packed);
    const auto weight = [&](int32_t constant) {
        plan::PlanTensor tensor;
        tensor.name = "w";
        tensor.role = Role::kConstant;
        tensor.constant = constant;
        tensor.placement = kDevice;
        tensor.format = maker.plan().constants[static_cast<size_t>(constant)].format;
        tensor.dims = {two, two};
        tensor.capacity = 16;
        maker.plan().weightProgram.tensors.push_back(tensor);
        return static_cast<int32_t>(maker.plan().weightProgram.tensors.size()) - 1;
    };
    const int32_t from = weight(source);
    const int32_t to = weight(1);
    maker.weightStep(maker.onDevice(Kind::kPack, "pack", {from}, {to}));
    const int32_t in = maker.deviceTensor(Role::kInput, x, {one, two}, 8);
    const int32_t w = maker.deviceTensor(Role::kConstant, 1, {two, two}, 16);
    maker.plan().programs[0].tensors.back().format = packed.format;
    const int32_t out = maker.deviceTensor(Role::kOutput, y, {one, two}, 8);
    maker.step(maker.onDevice(Kind::kMatmulPacked, "matmul", {in, w}, {out}));
    Runner runner(machine.load(maker.finish()));
    const std::vector<int64_t> dims = {1, 2};
    ASSERT_TRUE(runner.context->setInputShape(0, dims).ok());
    const float values[] = {1, 10};
    ASSERT_TRUE(runner.device.copy(runner.memory[0].data(), values, 8, nullptr).ok());
    ASSERT_TRUE(runner.context->enqueue(nullptr).ok());
    runner.size = 2;
    EXPECT_EQ(runner.take(), (std::vector<float>{31, 42}));
}

} // namespace
} // namespace tenon::runtime
