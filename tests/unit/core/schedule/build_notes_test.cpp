#include "core/schedule/build_notes.h"

#include <gtest/gtest.h>

namespace tenon::schedule {
namespace {

Verification compared(const std::string& maximum) {
    return {Verdict::kVerified, "", {0, 0, "", {{"optimum", ""}, {"maximum", maximum}}}};
}

std::string gaps(size_t everywhere, size_t partly, size_t nowhere) {
    VerificationMap results;
    const auto add = [&](size_t count, const Verification& found) {
        for (size_t i = 0; i < count; ++i) {
            results[support::cat("tactic", results.size())] = found;
        }
    };
    add(everywhere, compared(""));
    add(partly, compared("[9]: too large"));
    add(nowhere, {Verdict::kNotVerified, "it is random", {}});
    const std::string text = textOfGaps(results);
    return text.substr(0, text.find(" in the profile; `tenon explain` says where. "));
}

TEST(BuildNotes, HowManyTacticsWereComparedEverywhere) {
    EXPECT_EQ(gaps(79, 0, 0), "");
    EXPECT_EQ(gaps(0, 0, 3), "");
    EXPECT_EQ(gaps(78, 1, 0),
              "all 79 chosen tactics were compared with the reference backend, 1 of them not everywhere");
    EXPECT_EQ(gaps(77, 2, 0),
              "all 79 chosen tactics were compared with the reference backend, 2 of them not everywhere");
    EXPECT_EQ(gaps(76, 2, 1),
              "78 of 79 chosen tactics were compared with the reference backend, 2 of them not everywhere");
    EXPECT_EQ(gaps(0, 2, 0), "all 2 chosen tactics were compared with the reference backend, none of them everywhere");
    EXPECT_EQ(gaps(0, 1, 1), "1 of 2 chosen tactics was compared with the reference backend, but not everywhere");
    EXPECT_EQ(gaps(0, 1, 0), "the chosen tactic was compared with the reference backend, but not everywhere");
    const std::string one = textOfGaps({{"a", compared("[9]: too large")}, {"b", compared("")}});
    EXPECT_EQ(one.substr(one.find(". ")), ". It was not compared at the maximum, [9]: too large");
    const std::string two = textOfGaps({{"a", compared("[9]: too large")}, {"b", compared("[8]: no time")}});
    EXPECT_EQ(two.substr(two.find(". ")), ". The first was not compared at the maximum, [9]: too large");
}

TEST(BuildNotes, HowManyWereNotComparedAtAll) {
    const Verification without{Verdict::kNotVerified, "it is random", {}};
    EXPECT_EQ(textOfUncompared({{"a", without}, {"b", compared("")}}),
              "1 of 2 chosen tactics was not compared with the reference backend; the first because: it is random");
    EXPECT_EQ(textOfUncompared({{"a", without}, {"b", without}}),
              "2 of 2 chosen tactics were not compared with the reference backend; the first because: it is random");
}

} // namespace
} // namespace tenon::schedule
