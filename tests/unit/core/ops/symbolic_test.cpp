// Symbolic extents against constant ones: an output's expression, evaluated, is what inference says of the same numbers.
#include "tests/unit/core/ops/op_cases.h"

#include "core/support/text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tenon::ops::testing {
namespace {

std::vector<int64_t> randomValues(std::mt19937& random, int64_t low, int64_t high) {
    // Small numbers collide often enough to meet the borders.
    std::vector<int64_t> values;
    for (int i = 0; i < 6; ++i) {
        values.push_back(std::uniform_int_distribution<int64_t>(std::max<int64_t>(low, 0), high)(random));
    }
    for (int i = 0; i < 2; ++i) {
        values.push_back(std::uniform_int_distribution<int64_t>(low, high)(random));
    }
    return values;
}

void expectAgreement(const OpCase& testCase, std::mt19937& random, int rounds, int64_t low = -4, int64_t high = 9) {
    for (int round = 0; round < rounds; ++round) {
        const std::vector<int64_t> values = randomValues(random, low, high);
        const std::string difference = symbolicDiffersFromConstant(testCase, values);
        ASSERT_EQ(difference, "") << testCase.op << testCase.attributes << "(" << support::join(testCase.inputs, ", ")
                                  << ") at " << support::join(values, " ");
    }
}

TEST(SymbolicAgreement, SlicesOfAnyKind) {
    std::mt19937 random(1);
    const std::vector<std::string> positions{"-9223372036854775807", "-5", "-2",  "-1", "0", "1",  "3", "2147483647",
                                             "9223372036854775807",  "S",  "S-3", "E",  "N", "N-1"};
    const std::vector<std::string> steps{"1", "2", "-1", "-3"};
    for (const std::string& start : positions) {
        for (const std::string& end : positions) {
            for (const std::string& step : steps) {
                const std::string attributes =
                    "{starts=dims[" + start + "], ends=dims[" + end + "], axes=[0], steps=[" + step + "]}";
                expectAgreement({"slice", attributes, {"f32[N]"}, ""}, random, 5);
            }
        }
    }
}

TEST(SymbolicAgreement, WindowsOfAnyKind) {
    std::mt19937 random(2);
    for (int i = 0; i < 400; ++i) {
        const auto pick = [&](int low, int high) {
            return std::to_string(std::uniform_int_distribution<int>(low, high)(random));
        };
        const std::string pads = support::cat("[", pick(0, 3), ", ", pick(0, 3), "]");
        const std::string window =
            support::cat("strides=[", pick(1, 4), "], pads=", pads, ", dilations=[", pick(1, 3), "]");
        const std::string mode = i % 4 == 0 ? ", auto_pad=\"same_upper\"" : "";
        const std::string pool =
            support::cat("{kernel=[", pick(1, 4), "], ceil_mode=", pick(0, 1), ", ", window, mode, "}");
        expectAgreement({"pool.max", pool, {"f32[1,1,W]"}, ""}, random, 4, 0, 20);
        const std::string conv = support::cat("{", window, mode, "}");
        expectAgreement({"conv", conv, {"f32[1,1,W]", "f32[1,1,H]"}, ""}, random, 4, 1, 20);
        expectAgreement({"deconv", conv, {"f32[1,1,W]", "f32[1,1,H]"}, ""}, random, 4, 1, 20);
    }
}

TEST(SymbolicAgreement, OtherMovements) {
    std::mt19937 random(3);
    const std::vector<OpCase> cases{
        {"binary.add", "", {"f32[N,S]", "f32[H,W]"}, ""},
        {"binary.add", "", {"f32[N+1,S+2]", "f32[H+1,min(S+2,4)]"}, ""},
        {"binary.add", "", {"f32[S]", "f32[min(S,2)]"}, ""},
        {"where", "", {"bool[N,1]", "f32[S]", "f32[H,1,1]"}, ""},
        {"matmul", "", {"f32[N,3,4]", "f32[S,4,5]"}, ""},
        {"reshape", "", {"f32[N,S,4]", "i64[2] = E, F"}, ""},
        {"reshape", "{shape=dims[-1, S]}", {"f32[N,S,4]"}, ""},
        {"reshape", "{shape=dims[0, -1, 2]}", {"f32[N,S,4]"}, ""},
        {"reshape", "{shape=dims[E, -1]}", {"f32[N,S,4]"}, ""},
        {"expand", "{shape=dims[H, W]}", {"f32[N,S]"}, ""},
        {"tile", "{repeats=dims[H, 2]}", {"f32[N,S]"}, ""},
        {"concat", "{axis=1}", {"f32[N,S]", "f32[N,3]", "f32[N,W]"}, ""},
        {"split/3", "{axis=0}", {"f32[N]"}, ""},
        {"pad", "{pads=dims[H, -2]}", {"f32[N]"}, ""},
        {"range", "", {"i64[] = E", "i64[] = F", "const i64[] [2]"}, ""},
        {"range", "", {"i64[] = E", "i64[] = S", "const i64[] [-3]"}, ""},
        {"range", "", {"i64[] = N", "i64[] = S", "i64[] = E"}, ""},
        {"resize", "{scales=[0.3, 2.7]}", {"f32[N,S]"}, ""},
        {"resize", "{sizes=dims[H, W], keep_aspect=\"not_larger\"}", {"f32[N,S]"}, ""},
        {"resize", "{sizes=dims[H, W], keep_aspect=\"not_smaller\"}", {"f32[N,S]"}, ""},
        {"one_hot", "{axis=0, depth=dims[S]}", {"i64[N]", "-", "f32[2]"}, ""},
        {"depth_to_space", "{block=2}", {"f32[1,C*4,H,W]"}, ""},
        {"space_to_depth", "{block=2}", {"f32[1,C,H*2,W*2]"}, ""},
        {"flatten", "{axis=2}", {"f32[N,C,H,W]"}, ""},
    };
    for (const OpCase& testCase : cases) {
        expectAgreement(testCase, random, 100);
    }
    // An extent that happens to be 0 is 0, not the mark that copies one.
    expectAgreement({"reshape", "{shape=dims[S*2, -1]}", {"f32[N,S,4]"}, ""}, random, 100, 1);
}

TEST(SymbolicAgreement, ContentsThroughArithmetic) {
    std::mt19937 random(4);
    const std::vector<std::string> operands{"E", "F", "S", "N-2", "S*6", "3", "-4", "0"};
    for (const char* op : {"add", "sub", "mul", "div", "floor_div", "mod", "max", "min", "pow"}) {
        for (const std::string& a : operands) {
            for (const std::string& b : operands) {
                const std::string left = "i64[] = " + a;
                const std::string right = "i64[] = " + b;
                const std::string name = std::string("binary.") + op;
                for (int round = 0; round < 5; ++round) {
                    const std::vector<int64_t> values = randomValues(random, -6, 9);
                    ASSERT_EQ(symbolicDiffersFromConstant({name, "", {left, right}, ""}, values), "")
                        << op << " of " << a << " and " << b << " at " << support::join(values, " ");
                }
            }
        }
    }
}

} // namespace
} // namespace tenon::ops::testing
