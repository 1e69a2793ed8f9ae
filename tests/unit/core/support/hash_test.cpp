#include "core/support/hash.h"

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

TEST(Hash, ValuesNeverChange) {
    // Written to plans and timing caches: another value here would make every existing file look damaged.
    EXPECT_EQ(hashText("").hex(), "99aa06d3014798d86001c324468d497f");
    EXPECT_EQ(hashText("tenon").hex(), "9886abf3370a77038baeca8257c6445d");
}

TEST(Hash, TextFormRoundTrips) {
    const Hash128 hash = hashText("abc");
    EXPECT_EQ(Hash128::fromHex(hash.hex()), hash);
    EXPECT_EQ((Hash128{0, 10}).hex(), "0000000000000000000000000000000a");
    EXPECT_FALSE(Hash128::fromHex("0a"));
    EXPECT_FALSE(Hash128::fromHex("0000000000000000000000000000000G"));
    EXPECT_FALSE(Hash128::fromHex("0000000000000000000000000000000A"));
}

TEST(Hasher, FieldsDoNotRunIntoEachOther) {
    const Hash128 one = Hasher().add("ab").add("c").finish();
    EXPECT_NE(one, Hasher().add("a").add("bc").finish());
    EXPECT_NE(one, Hasher().add("abc").finish());
    EXPECT_EQ(one, Hasher().add("ab").add("c").finish());
    EXPECT_NE(Hasher().add("").finish(), Hasher().finish());
    EXPECT_NE(Hasher().addInt(1).addInt(2).finish(), Hasher().addInt(2).addInt(1).finish());
    EXPECT_NE(Hasher().add(hashText("a")).finish(), Hasher().add(hashText("b")).finish());
}

TEST(Hasher, FinishDoesNotEndIt) {
    Hasher hasher;
    hasher.add("a");
    const Hash128 first = hasher.finish();
    EXPECT_EQ(hasher.finish(), first);
    hasher.add("b");
    EXPECT_EQ(hasher.finish(), Hasher().add("a").add("b").finish());
}

} // namespace
} // namespace tenon::support
