// Graphs as text: whatever parses and verifies prints, and what is printed reads back to the same text.
#include "core/ir/parser.h"
#include "core/ir/printer.h"
#include "core/ir/verifier.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace tenon;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    ir::ParseOptions options;
    options.constantBytes = 1 << 20;
    // Bytes for hashed constants, so that the rest of such a text is read too.
    options.constants = [](const ir::ConstantReference& reference) -> ir::ConstantPtr {
        int64_t elements = 1;
        for (const int64_t extent : reference.dims) {
            elements = extent > 256 || elements > 4096 ? 1 << 20 : elements * extent;
        }
        if (elements > 4096 || ir::bitsOf(reference.dtype) == 0) {
            return nullptr;
        }
        const std::vector<std::byte> zeros(static_cast<size_t>(elements) * 8 + 8);
        return ir::makeConstant(reference.dtype, reference.dims, zeros.data());
    };
    const auto graph = ir::parseGraph(text, options);
    if (!graph.ok() || !ir::verify(**graph).ok()) {
        return 0;
    }
    const std::string printed = ir::print(**graph);
    const auto again = ir::parseGraph(printed, options);
    if (!again.ok()) {
        // Zeros stand for hashed bytes, and they print as what they are.
        std::abort();
    }
    if (ir::print(**again) != printed || ir::print(*(*graph)->clone()) != printed) {
        std::abort();
    }
    return 0;
}
