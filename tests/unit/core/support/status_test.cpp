#include "core/support/status.h"

#include <memory>

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

Status failing() { return notFound("no file '", "m.onnx", "'"); }

Result<int> half(int value) {
    if (value % 2 != 0) {
        return invalidArgument(value, " is odd");
    }
    return value / 2;
}

Result<int> quarter(int value) {
    TN_ASSIGN_OR_RETURN(const int once, half(value));
    TN_ASSIGN_OR_RETURN(const int twice, half(once).withContext(cat("while halving ", value, " again")));
    return twice;
}

Status check(int value) {
    TN_RETURN_IF_ERROR(quarter(value).status());
    return okStatus();
}

TEST(Status, OkIsOnePointerAndHasNoMessage) {
    EXPECT_EQ(sizeof(Status), sizeof(void*));
    const Status ok;
    EXPECT_TRUE(ok.ok());
    EXPECT_EQ(ok.code(), Code::kOk);
    EXPECT_EQ(ok.message(), "");
    EXPECT_EQ(ok.toString(), "Ok");
    EXPECT_TRUE(Status(ok).withContext("nowhere").ok());
}

TEST(Status, ContextIsAddedOnTheWayUp) {
    const Status status = failing().withContext("while opening the model").withContext("while building");
    EXPECT_EQ(status.code(), Code::kNotFound);
    EXPECT_EQ(status.message(), "no file 'm.onnx'");
    EXPECT_EQ(status.context(), (std::vector<std::string>{"while opening the model", "while building"}));
    EXPECT_EQ(status.toString(), "NotFound: no file 'm.onnx' (while opening the model; while building)");
}

TEST(Status, CopiesAreIndependent) {
    const Status original = failing();
    Status copy = original;
    copy.addContext("here");
    EXPECT_TRUE(original.context().empty());
    copy = original;
    EXPECT_TRUE(copy.context().empty());
    copy = Status();
    EXPECT_TRUE(copy.ok());
    EXPECT_FALSE(original.ok());
}

TEST(Status, AnErrorCannotCarryTheCodeOfASuccess) { EXPECT_EQ(Status(Code::kOk, "odd").code(), Code::kInternal); }

TEST(Result, HoldsAValueOrAReason) {
    EXPECT_EQ(*half(4), 2);
    EXPECT_EQ(half(3).status().message(), "3 is odd");
    EXPECT_EQ(half(3).valueOr(-1), -1);
    EXPECT_TRUE(half(4).status().ok());
    const Result<int> empty = okStatus();
    EXPECT_FALSE(empty.ok());
    EXPECT_EQ(empty.code(), Code::kInternal);
}

TEST(Result, MacrosReturnEarlyWithContext) {
    EXPECT_EQ(*quarter(8), 2);
    EXPECT_EQ(quarter(6).status().toString(), "InvalidArgument: 3 is odd (while halving 6 again)");
    EXPECT_TRUE(check(4).ok());
    EXPECT_EQ(check(5).message(), "5 is odd");
}

TEST(Result, MovesWhatCannotBeCopied) {
    struct Base {
        virtual ~Base() = default;
    };
    struct Derived : Base {};
    Result<std::unique_ptr<Base>> result = std::make_unique<Derived>();
    ASSERT_TRUE(result.ok());
    const std::unique_ptr<Base> taken = *std::move(result);
    EXPECT_NE(taken, nullptr);
}

TEST(ResultDeathTest, ReadingAMissingValueSaysWhichErrorWasIgnored) {
    EXPECT_DEATH((void)half(3).value(), "read the value of a failed Result: InvalidArgument: 3 is odd");
}

} // namespace
} // namespace tenon::support
