// Programs that find out extents while they run: segments, fetched symbols, buffers that grow.
#include "core/runtime/context_state.h"
#include "tests/unit/core/runtime/fake_runtime.h"
#include "tests/unit/core/runtime/plan_maker.h"

#include <gmock/gmock.h>

namespace tenon::runtime {
namespace {

using ::testing::ElementsAre;
using testing::FakeRuntime;
using ::testing::HasSubstr;
using testing::PlanMaker;
using Role = plan::PlanTensor::Role;

// indices[K] = where x[8] > 0, computed in the arena; then copied to the output as f32 pairs by "copy" on a buffer that grows.
struct Finder {
    PlanMaker maker;
    plan::ExprIndex k;
    int32_t x, y, in, found, grown, out;

    explicit Finder(int64_t bound) {
        k = maker.symbol("K", ir::SymbolSource::kUnbacked, -1, 0, {{0, 4, bound}});
        const auto eight = maker.constant(8);
        x = maker.input("x", {eight}, {{{{8}, {8}, {8}}}});
        y = maker.output("y", {k}, ir::DataType::kI64);
        in = maker.tensor(Role::kInput, x, {eight}, 32);
        found = maker.tensor(Role::kActivation, -1, {k}, 64, ir::DataType::kI64);
        grown = maker.tensor(Role::kActivation, -1, {k}, plan::kUnbounded, ir::DataType::kI64);
        out = maker.tensor(Role::kOutput, y, {k}, 64, ir::DataType::kI64);
    }
    void launchAndFetch() {
        plan::PlanStep find = maker.launch("positive", {in}, {found});
        find.symbols = {0};
        maker.step(find);
        plan::PlanStep fetch;
        fetch.kind = plan::StepKind::kFetch;
        fetch.name = "fetch";
        fetch.symbols = {0};
        maker.step(fetch);
    }
    void copy(int32_t from, int32_t to) {
        plan::PlanStep step;
        step.kind = plan::StepKind::kCopy;
        step.name = "copy";
        step.inputs = {from};
        step.outputs = {to};
        maker.step(step);
    }
};

LoadOptions anyMachine() {
    LoadOptions options;
    options.machine = "";
    return options;
}

TEST(Fetch, LaterSegmentsSeeTheExtent) {
    FakeRuntime fake;
    Finder finder(8);
    finder.launchAndFetch();
    finder.copy(finder.found, finder.grown);
    finder.copy(finder.grown, finder.out);
    const auto loaded = LoadedPlan::load(finder.maker.finish(), fake.snapshot(), anyMachine());
    ASSERT_TRUE(loaded.ok()) << loaded.status().toString();
    const auto context = ContextState::create(*loaded);
    ASSERT_TRUE(context.ok()) << context.status().toString();
    ContextState& state = **context;
    float x[8] = {0, 1, -1, 2, 0, 0, 0, 3};
    std::vector<int64_t> y(8, -1);
    ASSERT_TRUE(state.setAddress(0, x).ok());
    ASSERT_TRUE(state.setAddress(1, y.data()).ok());
    EXPECT_THAT(*state.shape(1), ElementsAre(-1)) << "nobody knows before the run";
    ASSERT_TRUE(state.enqueue(nullptr).ok());
    EXPECT_THAT(*state.shape(1), ElementsAre(3));
    EXPECT_THAT(y, ElementsAre(1, 3, 7, -1, -1, -1, -1, -1));

    x[0] = x[4] = 1;
    ASSERT_TRUE(state.enqueue(nullptr).ok());
    EXPECT_THAT(*state.shape(1), ElementsAre(5));
    EXPECT_THAT(y, ElementsAre(0, 1, 3, 4, 7, -1, -1, -1));
    const int prepares = fake.counters.prepares;
    std::fill(std::begin(x), std::end(x), -1.0F);
    ASSERT_TRUE(state.enqueue(nullptr).ok());
    EXPECT_THAT(*state.shape(1), ElementsAre(0));
    EXPECT_EQ(fake.counters.prepares, prepares) << "the step that finds them is always prepared for the most";
}

TEST(Fetch, FromATensor) {
    // K is an element of an input.
    FakeRuntime fake;
    Finder finder(8);
    const auto two = finder.maker.constant(2);
    plan::Plan& plan = finder.maker.plan();
    plan.bindings.insert(plan.bindings.begin() + 1, plan.bindings[0]);
    plan.bindings[1].name = "count";
    plan.bindings[1].dtype = ir::DataType::kI32;
    plan.bindings[1].dims = {two};
    plan.bindings[1].profiles = {{{{2}, {2}, {2}}}};
    for (plan::PlanTensor& tensor : plan.programs[0].tensors) {
        tensor.binding += tensor.role == Role::kOutput ? 1 : 0;
    }
    const int32_t count = finder.maker.tensor(Role::kInput, 1, {two}, 8, ir::DataType::kI32);
    plan::PlanStep fetch;
    fetch.kind = plan::StepKind::kFetch;
    fetch.name = "fetch";
    fetch.inputs = {count};
    fetch.symbols = {0};
    finder.maker.step(fetch);
    plan::PlanStep host;
    host.kind = plan::StepKind::kHostShape;
    host.name = "host";
    host.outputs = {finder.maker.tensor(Role::kOutput, 2, {finder.maker.constant(1)}, 8, ir::DataType::kI64)};
    host.scalars = {finder.k};
    finder.maker.step(host);
    plan.programs[0].box[0].min = 1; // the host step writes one element of y
    const auto loaded = LoadedPlan::load(finder.maker.finish(), fake.snapshot(), anyMachine());
    ASSERT_TRUE(loaded.ok()) << loaded.status().toString();
    const auto context = ContextState::create(*loaded);
    ContextState& state = **context;
    int32_t values[2] = {6, 99};
    int64_t y[8] = {};
    ASSERT_TRUE(state.setAddress(1, values).ok());
    ASSERT_TRUE(state.setAddress(2, y).ok());
    ASSERT_TRUE(state.enqueue(nullptr).ok()) << "x is not touched by any step";
    EXPECT_EQ(y[0], 6);
    EXPECT_THAT(*state.shape(2), ElementsAre(6));
    values[0] = 9;
    EXPECT_THAT(state.enqueue(nullptr).message(), HasSubstr("a step found 9 for 'K', outside the 1 to 8"));
}

std::string loadError(plan::Plan plan) {
    FakeRuntime fake;
    return LoadedPlan::load(std::move(plan), fake.snapshot(), anyMachine()).status().message();
}

TEST(Fetch, ReadingBeforeFetchingIsRefused) {
    Finder finder(8);
    finder.copy(finder.found, finder.out);
    finder.launchAndFetch();
    EXPECT_THAT(
        loadError(finder.maker.finish()),
        HasSubstr("step 'copy' of profile 0 needs the extents of tensor 't' before a fetch step makes them known"));
}

TEST(Fetch, FetchingWhatNobodyWritesIsRefused) {
    Finder finder(8);
    plan::PlanStep fetch;
    fetch.kind = plan::StepKind::kFetch;
    fetch.name = "fetch";
    fetch.symbols = {0};
    finder.maker.step(fetch);
    EXPECT_THAT(loadError(finder.maker.finish()), HasSubstr("fetches symbol 'K', which no step before it writes"));
}

TEST(Fetch, FetchingTwiceIsRefused) {
    Finder finder(8);
    finder.launchAndFetch();
    finder.launchAndFetch();
    EXPECT_THAT(loadError(finder.maker.finish()), HasSubstr("fetches symbol 'K'"));
}

TEST(Fetch, UnboundedResultsOfAStepAreRefused) {
    Finder finder(INT64_MAX);
    finder.found = finder.grown;
    finder.launchAndFetch();
    EXPECT_THAT(loadError(finder.maker.finish()),
                HasSubstr("whose extents only the step itself finds out and have no bound"));
}

} // namespace
} // namespace tenon::runtime
