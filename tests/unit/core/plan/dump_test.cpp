// The dump is for people: these tests hold it to what they look for.
#include "core/plan/dump.h"
#include "tests/unit/core/plan/sample_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::plan {
namespace {

using ::testing::HasSubstr;

TEST(DumpPlan, ShowsBindingsRequirementsAndSteps) {
    const std::string text = dumpPlan(testing::samplePlan());
    EXPECT_THAT(text, HasSubstr("plan of \"sample\", written by Tenon 0.1.0, level 3"));
    EXPECT_THAT(text, HasSubstr("input  \"x\" f32[N,4]\n    profile 0: 1x4 .. 2x4 .. 8x4"));
    EXPECT_THAT(text, HasSubstr("input  \"shape\" i64[1] shape input"));
    EXPECT_THAT(text, HasSubstr("module acme 2.1.0 for runtime acme.run, blob version 3"));
    EXPECT_THAT(text, HasSubstr("3 %gone: f32[2] left out"));
    EXPECT_THAT(text, HasSubstr("opaque(acme:1f0000000000:2:64) derived"));
    EXPECT_THAT(text, HasSubstr("0 launch \"conv + relu\" fused:epilogue (0,1,-1) -> (2) kernel 0 acme/fast scalars "
                                "[S,scale_floor(N, 1.5)]"));
    EXPECT_THAT(text, HasSubstr("order(0,1) block(1:8) tail(zero) activation @0+256"));
    EXPECT_THAT(text, HasSubstr("weight program \"weights\": 1 steps"));
}

TEST(DumpPlan, SharedOperandsDoNotExplode) {
    Plan plan = testing::samplePlan();
    for (int i = 0; i < 200; ++i) {
        const auto last = static_cast<int32_t>(plan.expressions.size() - 1);
        plan.expressions.push_back(testing::binaryNode(ir::ExprOp::kSum, last, last));
    }
    EXPECT_LT(expressionText(plan, static_cast<ExprIndex>(plan.expressions.size() - 1)).size(), 1000U);
}

} // namespace
} // namespace tenon::plan
