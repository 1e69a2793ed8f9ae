// Contexts: shapes, profiles, addresses, what is prepared when, errors.
#include "core/runtime/context_state.h"
#include "tests/unit/core/runtime/fake_runtime.h"
#include "tests/unit/core/runtime/plan_maker.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace tenon::runtime {
namespace {

using support::Code;
using testing::dynamicPlan;
using ::testing::ElementsAre;
using testing::FakeRuntime;
using ::testing::HasSubstr;
using testing::PlanMaker;
using Role = plan::PlanTensor::Role;

class Context : public ::testing::Test {
protected:
    ContextState& open(plan::Plan plan, ContextOptions options = {}) {
        LoadOptions load;
        load.machine = "";
        auto loaded = LoadedPlan::load(std::move(plan), mFake.snapshot(), load);
        EXPECT_TRUE(loaded.ok()) << loaded.status().toString();
        mPlan = std::move(loaded).value();
        options.threads = options.threads == 0 ? 2 : options.threads;
        auto context = ContextState::create(mPlan, options);
        EXPECT_TRUE(context.ok()) << context.status().toString();
        mContext = std::move(context).value();
        return *mContext;
    }

    FakeRuntime mFake;
    std::shared_ptr<const LoadedPlan> mPlan;
    std::unique_ptr<ContextState> mContext;
};

const std::vector<int64_t> k22 = {2, 2};
const std::vector<int64_t> k32 = {3, 2};

TEST_F(Context, RunsAndFollowsShapes) {
    ContextState& context = open(dynamicPlan());
    std::vector<float> x = {1, 2, 3, 4, 5, 6};
    std::vector<float> y(6, -1);
    ASSERT_TRUE(context.setInputShape(0, k22).ok());
    ASSERT_TRUE(context.setAddress(0, x.data()).ok());
    ASSERT_TRUE(context.setAddress(1, y.data()).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(y, ElementsAre(4, 8, 12, 16, -1, -1)) << "(x + x) * N";
    ASSERT_TRUE(context.setInputShape(0, k32).ok());
    EXPECT_THAT(*context.shape(1), ElementsAre(3, 2));
    EXPECT_EQ(*context.bytes(1), 24);
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(y, ElementsAre(6, 12, 18, 24, 30, 36));
}

TEST_F(Context, PreparesOnlyWhatChanged) {
    // Two independent halves: one follows N, one follows M.
    PlanMaker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 2, 4}});
    const auto m = maker.symbol("M", ir::SymbolSource::kInputDim, 1, 0, {{1, 2, 4}});
    const int32_t a = maker.input("a", {n}, {{{{1}, {2}, {4}}}});
    const int32_t b = maker.input("b", {m}, {{{{1}, {2}, {4}}}});
    const int32_t c = maker.output("c", {n});
    const int32_t d = maker.output("d", {m});
    const auto port = [&](Role role, int32_t binding, plan::ExprIndex dim) {
        return maker.tensor(role, binding, {dim}, 16);
    };
    const int32_t in = port(Role::kInput, a, n);
    const int32_t out = port(Role::kOutput, c, n);
    maker.step(maker.launch("copy", {in}, {out}));
    const int32_t in2 = port(Role::kInput, b, m);
    const int32_t out2 = port(Role::kOutput, d, m);
    maker.step(maker.launch("reverse", {in2}, {out2}));
    ContextState& context = open(maker.finish());
    float memory[16] = {};
    for (int32_t i = 0; i < 4; ++i) {
        ASSERT_TRUE(context.setAddress(i, memory + 4 * i).ok());
    }
    const std::vector<int64_t> two = {2};
    const std::vector<int64_t> three = {3};
    ASSERT_TRUE(context.setInputShape(0, two).ok());
    ASSERT_TRUE(context.setInputShape(1, two).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(mFake.counters.prepares, 2);
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    ASSERT_TRUE(context.setInputShape(0, two).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(mFake.counters.prepares, 2) << "same shapes";
    ASSERT_TRUE(context.setInputShape(1, three).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(mFake.counters.prepares, 3) << "only the half that follows M";
    EXPECT_EQ(context.preparedSteps(), 3);
    EXPECT_EQ(mFake.counters.launches, 8);
}

TEST_F(Context, OutOfRangeShapesAreExplained) {
    ContextState& context = open(dynamicPlan());
    const auto message = [&](std::vector<int64_t> dims) { return context.setInputShape(0, dims).message(); };
    EXPECT_EQ(message({5, 2}),
              "input 'x': dimension 0 is 5, profile 0 allows 1 to 4. Select another profile, or build the "
              "plan with one that has this extent in it");
    EXPECT_EQ(message({2, 3}), "input 'x': dimension 1 is 3, it must be 2");
    EXPECT_EQ(message({2}), "input 'x' has 2 dimensions, the shape [2] has 1");
    EXPECT_THAT(message({0, 2}), HasSubstr("dimension 0 is 0, profile 0 allows 1 to 4"));
    EXPECT_THAT(message({-1, 2}), HasSubstr("dimension 0 is -1"));
    EXPECT_THAT(context.setInputShape(1, k22).message(), HasSubstr("'y' is an output"));
    EXPECT_THAT(context.setInputShape(2, k22).message(), HasSubstr("there is no binding 2; the plan has 2"));
    ASSERT_TRUE(context.setProfile(1).ok());
    EXPECT_EQ(message({5, 2}), "");
    EXPECT_THAT(message({3, 2}), HasSubstr("profile 1 allows 4 to 16"));
    EXPECT_THAT(*context.shape(0), ElementsAre(5, 2)) << "a refused shape changes nothing";
    EXPECT_THAT(context.setProfile(2).message(), HasSubstr("there is no profile 2; the plan has 2"));
}

TEST_F(Context, MissingThingsAreNamed) {
    ContextState& context = open(dynamicPlan());
    EXPECT_THAT(context.missingInputs(), ElementsAre(0));
    EXPECT_THAT(context.inferShapes().message(), HasSubstr("the shape of input 'x' is not set in profile 0"));
    EXPECT_THAT(*context.shape(0), ElementsAre(-1, 2));
    EXPECT_THAT(*context.shape(1), ElementsAre(-1, 2));
    EXPECT_EQ(*context.bytes(1), -1);
    ASSERT_TRUE(context.setInputShape(0, k22).ok());
    EXPECT_THAT(context.missingInputs(), ElementsAre());
    EXPECT_THAT(context.enqueue(nullptr).message(), HasSubstr("input 'x' has no address"));
    float x[4] = {};
    ASSERT_TRUE(context.setAddress(0, x).ok());
    EXPECT_THAT(context.enqueue(nullptr).message(), HasSubstr("output 'y' has no address"));
    EXPECT_EQ(mFake.counters.launches, 0);
    ASSERT_TRUE(context.setProfile(1).ok());
    EXPECT_THAT(context.missingInputs(), ElementsAre(0)) << "a profile starts without shapes";
}

TEST_F(Context, MisalignedAddressesAreRefused) {
    ContextState& context = open(dynamicPlan());
    alignas(64) std::byte memory[64];
    EXPECT_TRUE(context.setAddress(0, memory + 4).ok()) << "that of an element is enough";
    EXPECT_THAT(context.setAddress(0, memory + 2).message(), HasSubstr("'x' is not aligned to 4 bytes"));
    EXPECT_EQ(context.address(0), memory + 4);
}

TEST_F(Context, ProfilesKeepTheirStates) {
    ContextState& context = open(dynamicPlan());
    EXPECT_EQ(mFake.counters.states, 2);
    ASSERT_TRUE(context.setProfile(1).ok());
    EXPECT_EQ(mFake.counters.states, 4);
    std::vector<float> x(32, 1);
    std::vector<float> y(32);
    ASSERT_TRUE(context.setAddress(0, x.data()).ok());
    ASSERT_TRUE(context.setAddress(1, y.data()).ok());
    for (int round = 0; round < 3; ++round) {
        for (int32_t profile = 0; profile < 2; ++profile) {
            const std::vector<int64_t> dims = {profile == 0 ? 2 : 16, 2};
            ASSERT_TRUE(context.setProfile(profile).ok());
            ASSERT_TRUE(context.setInputShape(0, dims).ok());
            ASSERT_TRUE(context.enqueue(nullptr).ok());
            EXPECT_EQ(y[3], profile == 0 ? 4 : 32);
        }
    }
    EXPECT_EQ(mFake.counters.prepares, 4) << "each profile's two steps once";
    mContext.reset();
    EXPECT_EQ(mFake.counters.states, 0);
    EXPECT_EQ(mFake.counters.sessions, 0);
}

// a[N] and b[N] share a symbol.
plan::Plan sharedSymbolPlan() {
    PlanMaker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 2, 4}});
    const int32_t a = maker.input("a", {n}, {{{{1}, {2}, {4}}}});
    const int32_t b = maker.input("b", {n}, {{{{1}, {2}, {8}}}});
    const int32_t c = maker.output("c", {n});
    const int32_t in = maker.tensor(Role::kInput, a, {n}, 16);
    const int32_t in2 = maker.tensor(Role::kInput, b, {n}, 16);
    const int32_t out = maker.tensor(Role::kOutput, c, {n}, 16);
    maker.step(maker.launch("add", {in, in2}, {out}));
    return maker.finish();
}

TEST_F(Context, SharedDimensionsMustAgree) {
    ContextState& context = open(sharedSymbolPlan());
    const std::vector<int64_t> two = {2};
    const std::vector<int64_t> three = {3};
    ASSERT_TRUE(context.setInputShape(0, two).ok());
    ASSERT_TRUE(context.setInputShape(1, three).ok());
    EXPECT_EQ(context.inferShapes().message(),
              "input 'b': dimension 0 is 3, but it is the same 'N' as dimension 0 of input 'a', which is 2");
    ASSERT_TRUE(context.setInputShape(1, two).ok());
    EXPECT_TRUE(context.inferShapes().ok());
}

TEST_F(Context, TheProgramsBoxCounts) {
    plan::Plan plan = sharedSymbolPlan();
    plan.programs[0].box[0].max = 3; // tighter than the profile of 'a'
    plan.programs[0].box[0].opt = 2;
    ContextState& context = open(plan);
    const std::vector<int64_t> four = {4};
    ASSERT_TRUE(context.setInputShape(0, four).ok());
    ASSERT_TRUE(context.setInputShape(1, four).ok());
    EXPECT_EQ(context.inferShapes().message(), "input 'a': dimension 0 is 4, profile 0 allows 1 to 3 for 'N'");
}

// out[S] = 0, 1, ... of a shape input s[1]; and what[2] = {S, S*2} by a host step; and s itself copied as data.
plan::Plan shapeInputPlan(ir::DataType dtype) {
    PlanMaker maker;
    const auto s = maker.symbol("S", ir::SymbolSource::kInputElement, 1, 0, {{1, 2, 6}});
    const auto one = maker.constant(1);
    const auto two = maker.constant(2);
    const auto six = maker.constant(6);
    const auto twice = maker.binary(ir::ExprOp::kProd, s, two);
    const int32_t x = maker.input("x", {six}, {{{{6}, {6}, {6}}}});
    const int32_t shape = maker.input("s", {one}, {{{{1}, {1}, {1}}}}, dtype);
    maker.plan().bindings[1].isShapeInput = true;
    maker.plan().bindings[1].profileValues = {{{{1}, {2}, {6}}}};
    const int32_t y = maker.output("y", {s});
    const int32_t what = maker.output("what", {two}, ir::DataType::kI32);
    const int32_t same = maker.output("same", {one}, dtype);
    const int32_t all = maker.tensor(Role::kInput, x, {s}, 24); // the first S of x
    const int32_t out = maker.tensor(Role::kOutput, y, {s}, 24);
    maker.step(maker.launch("copy", {all}, {out}));
    plan::PlanStep host;
    host.kind = plan::StepKind::kHostShape;
    host.name = "shape";
    host.outputs = {maker.tensor(Role::kOutput, what, {two}, 8, ir::DataType::kI32)};
    host.scalars = {s, twice};
    maker.step(host);
    plan::PlanStep copy;
    copy.kind = plan::StepKind::kCopy;
    copy.name = "copy";
    copy.inputs = {maker.tensor(Role::kInput, shape, {one}, 8, dtype)};
    copy.outputs = {maker.tensor(Role::kOutput, same, {one}, 8, dtype)};
    maker.step(copy);
    return maker.finish();
}

TEST_F(Context, ShapeInputsByValueAndByAddress) {
    ContextState& context = open(shapeInputPlan(ir::DataType::kI64));
    float x[6] = {1, 2, 3, 4, 5, 6};
    std::vector<float> y(6, 0);
    int32_t what[2] = {};
    int64_t same = 0;
    ASSERT_TRUE(context.setAddress(0, x).ok());
    ASSERT_TRUE(context.setAddress(2, y.data()).ok());
    ASSERT_TRUE(context.setAddress(3, what).ok());
    ASSERT_TRUE(context.setAddress(4, &same).ok());
    EXPECT_THAT(context.inferShapes().message(), HasSubstr("the shape of input 's' (its values) is not set"));
    const std::vector<int64_t> three = {3};
    ASSERT_TRUE(context.setShapeValues(1, three).ok());
    EXPECT_THAT(*context.shape(2), ElementsAre(3));
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(y, ElementsAre(1, 2, 3, 0, 0, 0));
    EXPECT_THAT(what, ElementsAre(3, 6));
    EXPECT_EQ(same, 3) << "the values serve as contents";

    int64_t values[1] = {5};
    ASSERT_TRUE(context.setAddress(1, values).ok());
    EXPECT_THAT(*context.shape(2), ElementsAre(5));
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(y[4], 5);
    EXPECT_EQ(same, 5);
    values[0] = 6; // read again at every run
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(what, ElementsAre(6, 12));
    values[0] = 7;
    EXPECT_EQ(context.enqueue(nullptr).message(),
              "shape input 's': element 0 is 7, profile 0 allows 1 to 6. Select another "
              "profile, or build the plan with one that has this value in it");
    const std::vector<int64_t> two = {2};
    ASSERT_TRUE(context.setShapeValues(1, two).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(same, 2) << "the later of the two calls holds";
    EXPECT_THAT(context.setShapeValues(0, two).message(), HasSubstr("'x' is no shape input"));
    EXPECT_THAT(context.setShapeValues(1, {}).message(), HasSubstr("has 1 elements, 0 were given"));
}

TEST_F(Context, NarrowShapeInputs) {
    ContextState& context = open(shapeInputPlan(ir::DataType::kI32));
    float x[6] = {1, 2, 3, 4, 5, 6};
    float y[6] = {};
    int32_t what[2] = {};
    int32_t same = 0;
    int32_t values[1] = {4};
    ASSERT_TRUE(context.setAddress(0, x).ok());
    ASSERT_TRUE(context.setAddress(1, values).ok());
    ASSERT_TRUE(context.setAddress(2, y).ok());
    ASSERT_TRUE(context.setAddress(3, what).ok());
    ASSERT_TRUE(context.setAddress(4, &same).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(what, ElementsAre(4, 8));
    EXPECT_EQ(same, 4);
    const std::vector<int64_t> two = {2};
    ASSERT_TRUE(context.setShapeValues(1, two).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(same, 2);
}

TEST_F(Context, KernelsGetTheWorkspaceTheyAskFor) {
    // The plan reserved less than the kernel wants now, as another version of its module might.
    PlanMaker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 2, 64}});
    const int32_t x = maker.input("x", {n}, {{{{1}, {2}, {64}}}});
    const int32_t y = maker.output("y", {n});
    const int32_t in = maker.tensor(Role::kInput, x, {n}, 256);
    const int32_t out = maker.tensor(Role::kOutput, y, {n}, 256);
    plan::PlanStep step = maker.launch("greedy", {in}, {out});
    step.workspaceCapacity = 128;
    maker.plan().programs[0].arenaBytes = 128;
    maker.step(step);
    ContextState& context = open(maker.finish());
    std::vector<float> from(64);
    std::vector<float> to(64);
    ASSERT_TRUE(context.setAddress(0, from.data()).ok());
    ASSERT_TRUE(context.setAddress(1, to.data()).ok());
    for (const int64_t count : {16, 64, 8, 64}) {
        std::fill(from.begin(), from.end(), static_cast<float>(count));
        const std::vector<int64_t> dims = {count};
        ASSERT_TRUE(context.setInputShape(0, dims).ok());
        ASSERT_TRUE(context.enqueue(nullptr).ok());
        EXPECT_EQ(to[static_cast<size_t>(count) - 1], static_cast<float>(count));
        EXPECT_EQ(context.memoryBytes(), count == 16 ? 128 : 128 + 256 + 64);
    }
}

TEST_F(Context, FreeAliasesAreNotLaunched) {
    PlanMaker maker;
    const auto four = maker.constant(4);
    const auto two = maker.constant(2);
    const int32_t x = maker.input("x", {four}, {{{{4}, {4}, {4}}}});
    const int32_t y = maker.output("y", {two, two});
    const int32_t in = maker.tensor(Role::kInput, x, {four}, 16);
    const int32_t square = maker.tensor(Role::kInput, x, {two, two}, 16);
    const int32_t out = maker.tensor(Role::kOutput, y, {two, two}, 16);
    plan::PlanStep reshape = maker.launch("broken", {in}, {square});
    reshape.traits |= TN_TRAIT_FREE_ALIAS;
    maker.step(reshape);
    maker.step(maker.launch("copy", {square}, {out}));
    ContextState& context = open(maker.finish());
    EXPECT_EQ(mFake.counters.kernels, 1) << "the kernel of the alias is not even loaded";
    float from[4] = {1, 2, 3, 4};
    std::vector<float> to(4);
    ASSERT_TRUE(context.setAddress(0, from).ok());
    ASSERT_TRUE(context.setAddress(1, to.data()).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(to, ElementsAre(1, 2, 3, 4));
}

TEST_F(Context, ViewsLieInsideTheirStorage) {
    // The output is made of two halves, each written by a step of its own.
    PlanMaker maker;
    const auto four = maker.constant(4);
    const auto two = maker.constant(2);
    const int32_t x = maker.input("x", {two}, {{{{2}, {2}, {2}}}});
    const int32_t y = maker.output("y", {four});
    const int32_t in = maker.tensor(Role::kInput, x, {two}, 8);
    const int32_t first = maker.tensor(Role::kOutput, y, {two}, 8);
    const int32_t second = maker.tensor(Role::kOutput, y, {two}, 8);
    maker.plan().programs[0].tensors[static_cast<size_t>(second)].offset = 8;
    maker.step(maker.launch("copy", {in}, {first}));
    maker.step(maker.launch("reverse", {in}, {second}));
    ContextState& context = open(maker.finish());
    float from[2] = {1, 2};
    std::vector<float> to(4);
    ASSERT_TRUE(context.setAddress(0, from).ok());
    ASSERT_TRUE(context.setAddress(1, to.data()).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(to, ElementsAre(1, 2, 2, 1));
}

plan::Plan oneStepPlan(const std::string& what, plan::SymbolRange range, TnTraits traits) {
    PlanMaker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {range});
    const int32_t x = maker.input("x", {n}, {{{{range.min}, {range.opt}, {range.max}}}});
    const int32_t y = maker.output("y", {n});
    const int32_t in = maker.tensor(Role::kInput, x, {n}, range.max * 4);
    const int32_t out = maker.tensor(Role::kOutput, y, {n}, range.max * 4);
    plan::PlanStep step = maker.launch(what, {in}, {out});
    step.traits = traits;
    maker.step(step);
    return maker.finish();
}

TEST_F(Context, EmptyTensorsNeedNoMemoryAndNoLaunch) {
    ContextState& context = open(oneStepPlan("copy", {0, 1, 4}, 0));
    const std::vector<int64_t> none = {0};
    ASSERT_TRUE(context.setInputShape(0, none).ok());
    EXPECT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(mFake.counters.launches, 0);
    EXPECT_EQ(mFake.counters.prepares, 0);
}

TEST_F(Context, FailedPrepareIsExplainedAndRepeated) {
    ContextState& context = open(oneStepPlan("stubborn", {1, 4, 8}, 0));
    float memory[8] = {};
    ASSERT_TRUE(context.setAddress(0, memory).ok());
    ASSERT_TRUE(context.setAddress(1, memory).ok());
    const std::vector<int64_t> five = {5};
    const std::vector<int64_t> four = {4};
    ASSERT_TRUE(context.setInputShape(0, five).ok());
    for (int i = 0; i < 2; ++i) {
        const auto status = context.enqueue(nullptr);
        EXPECT_EQ(status.code(), Code::kUnsupported);
        EXPECT_EQ(status.message(),
                  "step 'stubborn 0' (stubborn, fake/stubborn) could not be prepared for extents [5] [5]: four "
                  "elements are enough");
    }
    EXPECT_EQ(mFake.counters.launches, 0);
    ASSERT_TRUE(context.setInputShape(0, four).ok());
    EXPECT_TRUE(context.enqueue(nullptr).ok());
}

TEST_F(Context, FailedLaunchIsExplained) {
    ContextState& context = open(oneStepPlan("broken", {1, 4, 8}, 0));
    float memory[8] = {};
    const std::vector<int64_t> four = {4};
    ASSERT_TRUE(context.setAddress(0, memory).ok());
    ASSERT_TRUE(context.setAddress(1, memory).ok());
    ASSERT_TRUE(context.setInputShape(0, four).ok());
    const auto status = context.enqueue(nullptr);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(status.message(), "step 'broken 0' (broken, fake/broken) failed: index 7 is out of range");
}

TEST_F(Context, HugeTensorsNeedATrait) {
    ContextState& context = open(oneStepPlan("noop", {1, 4, int64_t{1} << 32}, 0));
    alignas(64) static std::byte memory[64];
    const std::vector<int64_t> huge = {int64_t{1} << 31};
    ASSERT_TRUE(context.setAddress(0, memory).ok());
    ASSERT_TRUE(context.setAddress(1, memory).ok());
    ASSERT_TRUE(context.setInputShape(0, huge).ok());
    EXPECT_THAT(context.enqueue(nullptr).message(), HasSubstr("which has more than 2^31-1 elements"));
    ContextState& able = open(oneStepPlan("noop", {1, 4, int64_t{1} << 32}, TN_TRAIT_ANY_EXTENT));
    ASSERT_TRUE(able.setAddress(0, memory).ok());
    ASSERT_TRUE(able.setAddress(1, memory).ok());
    ASSERT_TRUE(able.setInputShape(0, huge).ok());
    EXPECT_TRUE(able.enqueue(nullptr).ok());
}

struct CountingAllocator {
    int live = 0;
    int64_t bytes = 0;
    bool fail = false;
    int64_t shift = 0;
    AllocatorCallbacks callbacks() {
        return {this,
                [](void* self, int64_t size, int64_t alignment) -> void* {
                    auto& me = *static_cast<CountingAllocator*>(self);
                    if (me.fail) {
                        return nullptr;
                    }
                    ++me.live;
                    me.bytes += size;
                    void* const memory =
                        std::aligned_alloc(static_cast<size_t>(alignment),
                                           static_cast<size_t>((size + 2 * alignment) / alignment * alignment));
                    return static_cast<std::byte*>(memory) + me.shift;
                },
                [](void* self, void* memory) {
                    auto& me = *static_cast<CountingAllocator*>(self);
                    --me.live;
                    std::free(static_cast<std::byte*>(memory) - me.shift);
                }};
    }
};

TEST_F(Context, MemoryComesFromTheUsersAllocator) {
    CountingAllocator allocator;
    ContextOptions options;
    options.allocator = allocator.callbacks();
    open(dynamicPlan(), options);
    EXPECT_EQ(allocator.live, 1);
    EXPECT_EQ(allocator.bytes, mPlan->largestArenaBytes());
    mContext.reset();
    EXPECT_EQ(allocator.live, 0);
    allocator.fail = true;
    EXPECT_THAT(ContextState::create(mPlan, options).status().message(),
                HasSubstr("no memory for the arena of activations: the application's allocator gave none for 128 B"));
    allocator.fail = false;
    allocator.shift = 8;
    EXPECT_THAT(ContextState::create(mPlan, options).status().message(), HasSubstr("not aligned to the 64 bytes"));
    EXPECT_EQ(allocator.live, 0);
}

TEST_F(Context, TheUserMayOwnTheArena) {
    ContextOptions options;
    options.ownArena = false;
    ContextState& context = open(dynamicPlan(), options);
    EXPECT_EQ(context.memoryBytes(), 0);
    float x[4] = {1, 2, 3, 4};
    std::vector<float> y(4);
    ASSERT_TRUE(context.setInputShape(0, k22).ok());
    ASSERT_TRUE(context.setAddress(0, x).ok());
    ASSERT_TRUE(context.setAddress(1, y.data()).ok());
    EXPECT_THAT(context.enqueue(nullptr).message(), HasSubstr("needs 128 bytes of memory for its activations"));
    alignas(64) std::byte arena[192];
    EXPECT_THAT(context.setArena(arena, 64).message(), HasSubstr("has 64 bytes, profile 0 needs 128"));
    EXPECT_THAT(context.setArena(arena + 8, 128).message(), HasSubstr("aligned to 64"));
    ASSERT_TRUE(context.setArena(arena, 128).ok());
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(y, ElementsAre(4, 8, 12, 16));
    EXPECT_EQ(reinterpret_cast<const float*>(arena)[3], 8.0F) << "x + x lies in it";
}

TEST_F(Context, SessionsKnowThreadsAndResources) {
    int thing = 0;
    ContextOptions options;
    options.threads = 3;
    options.resourceContext = &thing;
    options.resource = [](void* context, TnString name) {
        return std::string_view(name.data, name.size) == "thing" ? context : nullptr;
    };
    ContextState& context = open(dynamicPlan(), options);
    EXPECT_EQ(context.threads(), 3);
    EXPECT_EQ(mFake.counters.lastThreads, 3);
    EXPECT_EQ(mFake.counters.lastResource, &thing);
}

TEST_F(Context, ProfilerHearsOfEveryStep) {
    ContextState& context = open(dynamicPlan());
    float x[4] = {};
    float y[4] = {};
    ASSERT_TRUE(context.setInputShape(0, k22).ok());
    ASSERT_TRUE(context.setAddress(0, x).ok());
    ASSERT_TRUE(context.setAddress(1, y).ok());
    std::vector<std::string> heard;
    const StepProfiler profiler{&heard, [](void* self, std::string_view name, float ms) {
                                    EXPECT_GE(ms, 0);
                                    static_cast<std::vector<std::string>*>(self)->emplace_back(name);
                                }};
    EXPECT_FALSE(context.reportToProfiler());
    ASSERT_TRUE(context.setProfiler(profiler).ok());
    EXPECT_FALSE(context.reportToProfiler()) << "nothing ran";
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_THAT(heard, ElementsAre("add 0", "scale 1"));
    context.setEnqueueEmitsProfile(false);
    ASSERT_TRUE(context.enqueue(nullptr).ok());
    EXPECT_EQ(heard.size(), 2U);
    EXPECT_TRUE(context.reportToProfiler());
    EXPECT_EQ(heard.size(), 4U);
}

TEST_F(Context, ZeroDivisionIsReportedOnce) {
    PlanMaker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{0, 2, 4}});
    const auto six = maker.constant(6);
    const auto quotient = maker.binary(ir::ExprOp::kFloorDiv, six, n);
    const int32_t x = maker.input("x", {n}, {{{{0}, {2}, {4}}}});
    maker.output("y", {quotient});
    static_cast<void>(x);
    class Counter : public support::LogSink {
    public:
        void log(support::Severity, std::string_view message) noexcept override {
            ++lines;
            EXPECT_NE(message.find("divides by zero"), std::string_view::npos);
        }
        int lines = 0;
    } counter;
    ContextOptions options;
    options.log = support::Logger(counter);
    ContextState& context = open(maker.finish(), options);
    for (const int64_t extent : {0, 2, 0}) {
        const std::vector<int64_t> dims = {extent};
        ASSERT_TRUE(context.setInputShape(0, dims).ok());
        EXPECT_THAT(*context.shape(1), ElementsAre(extent == 0 ? 0 : 3));
    }
    EXPECT_EQ(counter.lines, 1);
}

TEST_F(Context, InconsistentPlansDoNotWriteOutOfBounds) {
    // The extent of y is largest between the corners that the plan's verifier looks at: N * (8 - N).
    PlanMaker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 1, 8}});
    const auto eight = maker.constant(8);
    const auto rest = maker.binary(ir::ExprOp::kSub, eight, n);
    const auto area = maker.binary(ir::ExprOp::kProd, n, rest);
    const int32_t x = maker.input("x", {n}, {{{{1}, {1}, {8}}}});
    const int32_t in = maker.tensor(Role::kInput, x, {n}, 32);
    const int32_t out = maker.tensor(Role::kActivation, -1, {area}, 28);
    maker.step(maker.launch("noop", {in}, {out}));
    ContextState& context = open(maker.finish());
    const std::vector<int64_t> four = {4};
    ASSERT_TRUE(context.setInputShape(0, four).ok());
    EXPECT_THAT(context.inferShapes().message(), HasSubstr("needs 64 bytes at extents [16], the plan gives it 28"));
}

} // namespace
} // namespace tenon::runtime
