#include "core/runtime/weight_program.h"
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

// folded = a + b; packed = folded backwards. The engine reads packed.
plan::Plan weightsPlan() {
    PlanMaker maker;
    const auto three = maker.constant(3);
    const int32_t x = maker.input("x", {three}, {{{{3}, {3}, {3}}}});
    const int32_t y = maker.output("y", {three});
    const int32_t a = maker.floats("a", {1, 2, 3});
    const int32_t b = maker.floats("b", {10, 20, 30});
    const int32_t folded = maker.floats("folded", {0, 0, 0});
    const int32_t packed = maker.floats("packed", {33, 22, 11});
    maker.plan().constants[static_cast<size_t>(folded)].derived = true;
    maker.plan().constants[static_cast<size_t>(folded)].data = nullptr;
    maker.plan().constants[static_cast<size_t>(packed)].derived = true;
    const int32_t wa = maker.weightTensor(a);
    const int32_t wb = maker.weightTensor(b);
    const int32_t wf = maker.weightTensor(folded);
    const int32_t wp = maker.weightTensor(packed);
    maker.weightStep(maker.launch("add", {wa, wb}, {wf}));
    maker.weightStep(maker.launch("reverse", {wf}, {wp}));
    const int32_t in = maker.tensor(Role::kInput, x, {three}, 12);
    const int32_t weight = maker.tensor(Role::kConstant, packed, {three}, 12);
    const int32_t out = maker.tensor(Role::kOutput, y, {three}, 12);
    maker.step(maker.launch("add", {in, weight}, {out}));
    return maker.finish();
}

std::vector<float> floatsOf(const DerivedConstant& constant) {
    const auto* begin = reinterpret_cast<const float*>(constant.data.get());
    return {begin, begin + constant.bytes / static_cast<int64_t>(sizeof(float))};
}

TEST(WeightProgram, DerivedBytesEqualTheStoredOnes) {
    FakeRuntime fake;
    const plan::Plan plan = weightsPlan();
    const auto derived = runWeightProgram(plan, fake.snapshot());
    ASSERT_TRUE(derived.ok()) << derived.status().toString();
    ASSERT_EQ(derived->size(), 2U);
    EXPECT_EQ((*derived)[0].constant, 2);
    EXPECT_THAT(floatsOf((*derived)[0]), ElementsAre(11, 22, 33)) << "what is not stored is computed too";
    EXPECT_EQ((*derived)[1].constant, 3);
    EXPECT_EQ(std::memcmp((*derived)[1].data.get(), plan.constants[3].data, 12), 0);
    EXPECT_EQ(fake.counters.kernels, 0) << "nothing is left behind";
    EXPECT_EQ(fake.counters.states, 0);
}

TEST(WeightProgram, TakesOtherSources) {
    FakeRuntime fake;
    plan::Plan plan = weightsPlan();
    plan.constants[0].data = nullptr;
    EXPECT_THAT(
        runWeightProgram(plan, fake.snapshot()).status().message(),
        HasSubstr("the weights 'a', which step 'add 0' of the weight program needs, were left out of the plan"));
    const float other[3] = {5, 6, 7};
    WeightProgramOptions options;
    options.source = [&](int32_t constant) {
        return constant == 0 ? reinterpret_cast<const std::byte*>(other) : nullptr;
    };
    const auto derived = runWeightProgram(plan, fake.snapshot(), options);
    ASSERT_TRUE(derived.ok()) << derived.status().toString();
    EXPECT_THAT(floatsOf((*derived)[1]), ElementsAre(37, 26, 15));
}

TEST(WeightProgram, NothingToDerive) {
    FakeRuntime fake;
    const auto derived = runWeightProgram(testing::dynamicPlan(), fake.snapshot());
    ASSERT_TRUE(derived.ok()) << derived.status().toString();
    EXPECT_TRUE(derived->empty());
}

} // namespace
} // namespace tenon::runtime
