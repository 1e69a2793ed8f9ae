// What a call into a module leaves: the text with which it explains itself, and its code.
// Used by whoever calls module tables: registry, scheduler, runtime. Knows abi.h and Status.
#pragma once

#include "core/support/status.h"
#include "tenon/module/abi.h"

#include <string>
#include <string_view>

namespace tenon::registry {

/// What a call wrote. Pass `sink()`; the object must stay where it is during the call. Not thread-safe.
class TextSink {
public:
    TextSink() : mSink{this, &TextSink::write} {}
    TextSink(const TextSink&) = delete;
    TextSink& operator=(const TextSink&) = delete;

    TnSink* sink() noexcept { return &mSink; }
    /// Everything written since the last `clear`, without white space at the end.
    std::string_view text() const noexcept {
        const size_t end = mText.find_last_not_of(" \t\r\n");
        return end == std::string::npos ? std::string_view() : std::string_view(mText).substr(0, end + 1);
    }
    /// The text, or `fallback` where the module gave none.
    std::string textOr(std::string_view fallback) const { return std::string(text().empty() ? fallback : text()); }
    void clear() noexcept { mText.clear(); }

private:
    // Longer reasons help nobody; a module that loops must not fill the memory.
    static constexpr size_t kMaxText = 64 * 1024;

    static void write(void* context, const char* text, size_t size) {
        auto& self = *static_cast<TextSink*>(context);
        if (text != nullptr && self.mText.size() < kMaxText) {
            self.mText.append(text, size < kMaxText - self.mText.size() ? size : kMaxText - self.mText.size());
        }
    }

    std::string mText;
    TnSink mSink;
};

inline TnString toTn(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view toView(TnString text) noexcept {
    return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.size);
}

/// What a module's code means inside. kInternal for one that this version does not know.
inline support::Code codeOf(TnCode code) noexcept {
    switch (code) {
    case TN_UNSUPPORTED:
        return support::Code::kUnsupported;
    case TN_INVALID_ARGUMENT:
        return support::Code::kInvalidArgument;
    case TN_NOT_FOUND:
        return support::Code::kNotFound;
    case TN_OUT_OF_MEMORY:
        return support::Code::kOutOfMemory;
    case TN_CANCELLED:
        return support::Code::kCancelled;
    case TN_ENVIRONMENT:
        return support::Code::kEnvironment;
    default: // TN_OK does not come here
        return support::Code::kInternal;
    }
}

} // namespace tenon::registry
