#include "core/schedule/rejections.h"

#include <gtest/gtest.h>

namespace tenon::schedule {
namespace {

std::string text(const std::vector<Rejection>& rejections) {
    std::string all;
    for (const Rejection& each : rejections) {
        all += each.provider + ": " + each.reason + "\n";
    }
    return all;
}

TEST(Rejections, ThoseThatSayTheSameAreOne) {
    EXPECT_EQ(text(gathered({{"a", "not allowed"}, {"b", "only conv, not reshape"}, {"c", "not allowed"}})),
              "a, c: not allowed\nb: only conv, not reshape\n");
}

TEST(Rejections, OtherTargetsComeLastAndTogether) {
    EXPECT_EQ(text(gathered({{"x", "x computes on a CUDA device, not on host"},
                             {"a", "a normalises rows, not on columns of other lengths"},
                             {"y", "y computes on CUDA devices only, not on host"}})),
              "a: a normalises rows, not on columns of other lengths\nx, y: computes on other devices\n");
}

} // namespace
} // namespace tenon::schedule
