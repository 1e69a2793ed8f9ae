// Text that a module writes. Used by the conformance runner.
#pragma once

#include "tenon/module/abi.h"

#include <cstddef>
#include <string>

namespace tenon::conformance {

struct TextSink {
    std::string text;
    TnSink sink{this, [](void* context, const char* piece, size_t size) {
                    static_cast<TextSink*>(context)->text.append(piece, size);
                }};
};

} // namespace tenon::conformance
