// Loading plans: what must be there, and what is said when it is not.
#include "core/runtime/loaded_plan.h"
#include "tests/unit/core/runtime/fake_runtime.h"
#include "tests/unit/core/runtime/plan_maker.h"

#include <gmock/gmock.h>

namespace tenon::runtime {
namespace {

using support::Code;
using ::testing::AllOf;
using testing::dynamicPlan;
using testing::FakeRuntime;
using ::testing::HasSubstr;

LoadOptions anyMachine() {
    LoadOptions options;
    options.machine = "here";
    return options;
}

class Lines : public support::LogSink {
public:
    void log(support::Severity, std::string_view message) noexcept override { text.append(message).append("\n"); }
    std::string text;
};

TEST(LoadedPlan, OwnsItsKernelsOnce) {
    FakeRuntime fake;
    plan::Plan plan = dynamicPlan();
    {
        auto loaded = LoadedPlan::load(plan, fake.snapshot(), anyMachine());
        ASSERT_TRUE(loaded.ok()) << loaded.status().toString();
        EXPECT_EQ(fake.counters.kernels, 2) << "add and scale, shared by both profiles";
        EXPECT_EQ((*loaded)->profileCount(), 2);
        EXPECT_EQ((*loaded)->bindingOf("y"), 1);
        EXPECT_EQ((*loaded)->bindingOf("z"), -1);
        EXPECT_EQ((*loaded)->inputCount(), 1);
    }
    EXPECT_EQ(fake.counters.kernels, 0);
}

TEST(LoadedPlan, MissingModuleIsNamedWithItsVersion) {
    const auto status = LoadedPlan::load(dynamicPlan(), registry::RegistrySnapshot::builtin(), anyMachine()).status();
    EXPECT_EQ(status.code(), Code::kEnvironment);
    EXPECT_THAT(status.toString(),
                AllOf(HasSubstr("the kernel runtime 'fake' (module 'fakes') is not loaded"),
                      HasSubstr("TENON_MODULE_PATH"), HasSubstr("the plan was built with module 'fakes' 3.1.4")));
}

TEST(LoadedPlan, OtherBlobVersionIsNamed) {
    FakeRuntime fake;
    const auto status = LoadedPlan::load(dynamicPlan(), fake.snapshot(4, 6), anyMachine()).status();
    EXPECT_EQ(status.code(), Code::kEnvironment);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("does not read blob version 1 (it reads versions 4 to 6"),
                                        HasSubstr("build the plan again")));
    EXPECT_EQ(fake.counters.kernels, 0);
}

TEST(LoadedPlan, RefusedBlobGivesTheReason) {
    FakeRuntime fake;
    plan::Plan plan = dynamicPlan();
    plan.kernels[1].blob = std::make_shared<const std::vector<std::byte>>();
    const auto status = LoadedPlan::load(plan, fake.snapshot(), anyMachine()).status();
    EXPECT_EQ(status.message(), "kernel 1 'fake/scale' was refused by 'fake': the blob is empty");
    EXPECT_EQ(fake.counters.kernels, 0) << "the first kernel was freed";
}

TEST(LoadedPlan, AnotherMachineOfTheSameKindIsMentioned) {
    FakeRuntime fake;
    plan::Plan plan = dynamicPlan();
    Lines lines;
    LoadOptions options = anyMachine();
    options.log = support::Logger(lines);
    plan.targetFingerprint = "here-threads2";
    EXPECT_TRUE(LoadedPlan::load(plan, fake.snapshot(), options).ok());
    EXPECT_EQ(lines.text, "");
    plan.targetFingerprint = "there";
    EXPECT_TRUE(LoadedPlan::load(plan, fake.snapshot(), options).ok());
    EXPECT_THAT(lines.text, HasSubstr("timed on another machine (there, this is here)"));
}

TEST(LoadedPlan, LeftOutWeightsAreNamed) {
    FakeRuntime fake;
    testing::PlanMaker maker;
    const auto four = maker.constant(4);
    const int32_t x = maker.input("x", {four}, {{{{4}, {4}, {4}}}});
    const int32_t y = maker.output("y", {four});
    const int32_t w = maker.floats("layer.weight", {1, 2, 3, 4});
    const int32_t in = maker.tensor(plan::PlanTensor::Role::kInput, x, {four}, 16);
    const int32_t weight = maker.tensor(plan::PlanTensor::Role::kConstant, w, {four}, 16);
    const int32_t out = maker.tensor(plan::PlanTensor::Role::kOutput, y, {four}, 16);
    maker.step(maker.launch("add", {in, weight}, {out}));
    maker.plan().constants[0].data = nullptr;
    const auto status = LoadedPlan::load(maker.finish(), fake.snapshot(), anyMachine()).status();
    EXPECT_THAT(status.message(),
                HasSubstr("the weights 'layer.weight', which step 'add 0' reads, were left out of the plan"));
}

TEST(LoadedPlan, StepKindsOfLaterVersionsAreRefused) {
    FakeRuntime fake;
    plan::Plan plan = dynamicPlan();
    plan.programs[0].steps[0].kind = plan::StepKind::kLoop;
    plan.programs[0].steps[0].kernel = -1;
    const auto status = LoadedPlan::load(plan, fake.snapshot(), anyMachine()).status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(), HasSubstr("step 'add 0' of profile 0 is of kind loop"));
}

TEST(LoadedPlan, ADeviceWithoutItsBackendIsNamed) {
    FakeRuntime fake;
    plan::Plan plan = dynamicPlan();
    plan.devices.push_back({"moonbase", "{}", "moon-1"});
    for (plan::PlanProgram& program : plan.programs) {
        program.deviceArenaBytes = {0};
    }
    plan.weightProgram.deviceArenaBytes = {0};
    const auto status = LoadedPlan::load(plan, fake.snapshot(), anyMachine()).status();
    EXPECT_EQ(status.code(), Code::kEnvironment);
    EXPECT_THAT(status.message(), HasSubstr("device of backend 'moonbase', and no module that provides it is loaded"));
}

} // namespace
} // namespace tenon::runtime
