// Prints docs/ops.md, the reference of all built-in ops: `tenon_opdoc > ops.md`. Part of the build, not installed.
#include "core/ops/op_doc.h"

#include <cstdio>

int main() {
    const std::string text = tenon::ops::opsMarkdown(tenon::ops::OpRegistry::builtin());
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
