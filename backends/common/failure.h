// How kernel code inside a module says that it cannot go on: an exception that never leaves the module, caught where the
// ABI tables are filled in (task_kernel.cpp) and turned into a code and a text for the host's sink.
//
// Who uses it: checks and planning of kernels (build time and prepare). Launches do not throw: they return a TnCode.
// What it must not know: core headers; any one backend.
#pragma once

#include "tenon/module/result.hpp"

#include <exception>
#include <string>
#include <utility>

namespace tenon::kernels {

class Failure : public std::exception {
public:
    Failure(module::Code code, std::string text) : mCode(code), mText(std::move(text)) {}
    module::Code code() const { return mCode; }
    const char* what() const noexcept override { return mText.c_str(); }

private:
    module::Code mCode;
    std::string mText;
};

// A refusal: another provider may be able to.
template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
    throw Failure(module::Code::kUnsupported, module::text(parts...));
}

// The model or the caller is wrong: nobody can.
template <class... Parts>
[[noreturn]] void invalid(const Parts&... parts) {
    throw Failure(module::Code::kInvalidArgument, module::text(parts...));
}

} // namespace tenon::kernels
