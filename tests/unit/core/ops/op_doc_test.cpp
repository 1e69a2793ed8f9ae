#include "core/ops/op_doc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::ops {
namespace {

using ::testing::HasSubstr;

TEST(OpDoc, HasEveryOpWithOperandsAttributesAndDefaults) {
    const OpRegistry& registry = OpRegistry::builtin();
    const std::string text = opsMarkdown(registry);
    for (const OpDef* def : registry.all()) {
        EXPECT_THAT(text, HasSubstr("### `" + def->name + "`\n\n" + def->doc)) << def->name;
    }
    EXPECT_THAT(text, HasSubstr("| group | int | `1` | at least 1 |"));
    EXPECT_THAT(text, HasSubstr("| kernel | ints | required | at least 1 |"));
    EXPECT_THAT(text, HasSubstr("| mode | string | `\"dcr\"` | dcr, crd |"));
    EXPECT_THAT(text, HasSubstr("| 2 bias (optional) | [M] |"));
    EXPECT_THAT(text, HasSubstr("| 0... x |"));
    EXPECT_THAT(text, HasSubstr("*elementwise; commutative*"));
    EXPECT_THAT(text, HasSubstr("- [Convolutions](#convolutions)"));
}

} // namespace
} // namespace tenon::ops
