#include "parsers/onnx/problem.h"

namespace tenon::onnx {

char const* const* Problem::localFunctionStack() const noexcept {
    mStack.clear();
    for (const std::string& name : functions) {
        mStack.push_back(name.c_str());
    }
    return mStack.empty() ? nullptr : mStack.data();
}

} // namespace tenon::onnx
