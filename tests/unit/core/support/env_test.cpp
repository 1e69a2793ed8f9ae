#include "core/support/build_info.h"
#include "core/support/env.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

TEST(Env, TellsUnsetFromEmpty) {
    ::setenv("TENON_TEST_VARIABLE", "", 1);
    EXPECT_EQ(readEnv("TENON_TEST_VARIABLE"), "");
    ::setenv("TENON_TEST_VARIABLE", "/a:/b", 1);
    EXPECT_EQ(readTrustedEnv("TENON_TEST_VARIABLE"), hasElevatedPrivilege() ? std::nullopt : std::optional("/a:/b"));
    ::unsetenv("TENON_TEST_VARIABLE");
    EXPECT_FALSE(readEnv("TENON_TEST_VARIABLE").has_value());
}

TEST(BuildInfo, IsFilledIn) {
    EXPECT_EQ(versionText().substr(0, 2), "0.");
    EXPECT_FALSE(archText().empty());
}

} // namespace
} // namespace tenon::support
