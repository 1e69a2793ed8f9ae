#include "core/schedule/memory_sharing.h"

#include <gtest/gtest.h>

namespace tenon::schedule {
namespace {

using Role = plan::PlanTensor::Role;

class MemorySharingTest : public testing::Test {
protected:
    int32_t tensor(int64_t bytes, int32_t written, int32_t read, Role role = Role::kActivation, int32_t index = -1) {
        const int32_t made = sharing.add({role, TN_PLACEMENT_HOST, index, bytes, 64});
        if (role != Role::kInput && role != Role::kConstant) {
            sharing.write(made, written);
        }
        sharing.read(made, read);
        return made;
    }
    // What concatenating `parts` in this step would need.
    bool join(const std::vector<std::pair<int32_t, int64_t>>& parts, int32_t whole, int32_t step) {
        std::vector<ViewLink> links;
        for (const auto& [part, offset] : parts) {
            links.push_back({part, whole, -offset, true});
        }
        return sharing.view(links, step);
    }
    int64_t distance(int32_t from, int32_t to) {
        EXPECT_EQ(sharing.homeOf(from).cluster, sharing.homeOf(to).cluster);
        return sharing.homeOf(to).offset - sharing.homeOf(from).offset;
    }
    MemorySharing sharing;
};

TEST_F(MemorySharingTest, PartsAreWrittenWhereTheWholeHasThem) {
    const int32_t a = tensor(128, 0, 2);
    const int32_t b = tensor(64, 1, 2);
    const int32_t whole = tensor(192, 2, 5);
    ASSERT_TRUE(join({{a, 0}, {b, 128}}, whole, 2));
    EXPECT_EQ(distance(a, b), 128);
    EXPECT_EQ(distance(a, whole), 0);
    // Each part needs room from its own beginning on, and both until nobody reads the whole.
    const std::vector<BufferLifetime> buffers = sharing.buffersOf(sharing.homeOf(a).cluster);
    ASSERT_EQ(buffers.size(), 2U);
    EXPECT_EQ(buffers[0].first, 0);
    EXPECT_EQ(buffers[1].first, 1);
    EXPECT_EQ(buffers[0].last, 5);
    EXPECT_EQ(buffers[1].within, 128);
}

TEST_F(MemorySharingTest, APartCannotBeInTwoPlaces) {
    const int32_t a = tensor(64, 0, 3);
    const int32_t twice = tensor(128, 1, 3);
    EXPECT_FALSE(join({{a, 0}, {a, 64}}, twice, 1));
    // The refusal left nothing behind.
    const int32_t b = tensor(64, 0, 4);
    const int32_t first = tensor(128, 2, 6);
    ASSERT_TRUE(join({{a, 0}, {b, 64}}, first, 2));
    // Next to `a` lies `b`, and is needed.
    const int32_t c = tensor(64, 3, 4);
    const int32_t second = tensor(128, 4, 6);
    EXPECT_FALSE(join({{a, 0}, {c, 64}}, second, 4));
    // What begins with the same parts shares them.
    const int32_t longer = tensor(192, 5, 7);
    EXPECT_TRUE(join({{a, 0}, {b, 64}, {c, 128}}, longer, 5));
    EXPECT_EQ(distance(a, c), 128);
}

TEST_F(MemorySharingTest, MemoryOfAnotherStaysWhereItIs) {
    const int32_t input = tensor(64, 0, 1, Role::kInput, 0);
    const int32_t made = tensor(64, 0, 1);
    const int32_t whole = tensor(128, 1, 2);
    EXPECT_FALSE(join({{input, 0}, {made, 64}}, whole, 1));
    // A slice of it lies in it, and what follows must not write there.
    const int32_t slice = tensor(64, 2, 3);
    const int32_t big = tensor(256, 0, 2, Role::kInput, 1);
    ASSERT_TRUE(sharing.view({{big, slice, 128, true}}, 2));
    EXPECT_EQ(sharing.homeOf(slice).role, Role::kInput);
    EXPECT_EQ(sharing.homeOf(slice).offset, 128);
    const int32_t written = tensor(64, 3, 4);
    EXPECT_FALSE(sharing.takeOver(slice, written, {slice}, 3));
    // An output is the user's as well: nothing larger fits into it.
    const int32_t source = tensor(256, 0, 2);
    const int32_t output = tensor(64, 2, 2, Role::kOutput, 2);
    EXPECT_FALSE(sharing.view({{source, output, 0, true}}, 2));
}

TEST_F(MemorySharingTest, PartsOfAnOutputAreWrittenIntoIt) {
    const int32_t a = tensor(64, 0, 2);
    const int32_t b = tensor(64, 1, 2);
    const int32_t output = tensor(128, 2, 2, Role::kOutput, 7);
    ASSERT_TRUE(join({{a, 0}, {b, 64}}, output, 2));
    EXPECT_EQ(sharing.homeOf(b).role, Role::kOutput);
    EXPECT_EQ(sharing.homeOf(b).index, 7);
    EXPECT_EQ(sharing.homeOf(b).offset, 64);
    EXPECT_TRUE(sharing.buffersOf(0).empty());
}

TEST_F(MemorySharingTest, WritersInPlaceWaitForTheWhole) {
    const int32_t a = tensor(64, 0, 3);
    const int32_t b = tensor(64, 1, 2);
    const int32_t whole = tensor(128, 2, 4);
    const int32_t relu = tensor(64, 3, 5);
    const int32_t sigmoid = tensor(128, 4, 6);
    ASSERT_TRUE(join({{a, 0}, {b, 64}}, whole, 2));
    EXPECT_FALSE(sharing.takeOver(a, relu, {a}, 3)) << "the whole is read in step 4";
    EXPECT_TRUE(sharing.takeOver(whole, sigmoid, {whole}, 4));
    EXPECT_EQ(distance(whole, sigmoid), 0);
    // What a step writes may lie in a part, where the operand that it takes over then lies as well.
    const int32_t c = tensor(64, 7, 8);
    const int32_t d = tensor(64, 8, 9);
    const int32_t e = tensor(64, 8, 9);
    const int32_t next = tensor(128, 9, 10);
    ASSERT_TRUE(join({{d, 0}, {e, 64}}, next, 9));
    EXPECT_TRUE(sharing.takeOver(c, e, {c}, 8));
    EXPECT_EQ(distance(d, c), 64);
}

TEST_F(MemorySharingTest, NoViewsOfMemoryThatWasHandedOn) {
    const int32_t x = tensor(64, 0, 1);
    const int32_t relu = tensor(64, 1, 3);
    ASSERT_TRUE(sharing.takeOver(x, relu, {x}, 1));
    const int32_t ofOutput = tensor(64, 2, 3);
    const int32_t ofInput = tensor(0, 2, 3); // no bytes, no writer: and yet
    EXPECT_FALSE(sharing.view({{relu, ofOutput, 0, false}}, 2));
    EXPECT_FALSE(sharing.view({{x, ofInput, 0, false}}, 2));
    const std::vector<BufferLifetime> buffers = sharing.buffersOf(sharing.homeOf(x).cluster);
    ASSERT_EQ(buffers.size(), 1U);
    EXPECT_EQ(buffers[0].last, 3) << "what was refused changes nothing";
    const int32_t other = tensor(64, 4, 6);
    const int32_t flat = tensor(64, 5, 6);
    EXPECT_TRUE(sharing.view({{other, flat, 0, false}}, 5)) << "memory that nobody took over";
}

TEST_F(MemorySharingTest, AnotherOperandInTheSameMemoryForbidsWritingInPlace) {
    const int32_t x = tensor(64, 0, 2);
    const int32_t flat = tensor(64, 1, 2);
    ASSERT_TRUE(sharing.view({{x, flat, 0, false}}, 1));
    const int32_t sum = tensor(64, 2, 3);
    EXPECT_FALSE(sharing.takeOver(x, sum, {x, flat}, 2));
}

TEST_F(MemorySharingTest, PartsBeginAligned) {
    const int32_t a = tensor(36, 0, 2);
    const int32_t b = tensor(64, 1, 2);
    const int32_t whole = tensor(100, 2, 3);
    EXPECT_FALSE(join({{a, 0}, {b, 36}}, whole, 2));
}

TEST_F(MemorySharingTest, SlicesHoldWhatTheyAreCutFrom) {
    const int32_t x = tensor(128, 0, 1);
    const int32_t low = tensor(64, 1, 2);
    const int32_t high = tensor(64, 1, 5);
    ASSERT_TRUE(sharing.view({{x, low, 0, true}, {x, high, 64, true}}, 1));
    const int32_t relu = tensor(64, 2, 3);
    EXPECT_FALSE(sharing.takeOver(low, relu, {low}, 2)) << "x is held as one, and half of it is read in step 5";
    const std::vector<BufferLifetime> buffers = sharing.buffersOf(sharing.homeOf(x).cluster);
    ASSERT_EQ(buffers.size(), 1U);
    EXPECT_EQ(buffers[0].last, 5);
    // Put together again as they were, nothing moves either.
    const int32_t again = tensor(128, 5, 6);
    EXPECT_TRUE(join({{low, 0}, {high, 64}}, again, 5));
    const int32_t swapped = tensor(128, 5, 6);
    EXPECT_FALSE(join({{high, 0}, {low, 64}}, swapped, 5));
}

} // namespace
} // namespace tenon::schedule
