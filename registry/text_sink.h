// A TnSink that collects text: for every call into a module that may explain itself.
// Used by whoever calls module tables: registry, scheduler, runtime. Knows abi.h only.
#pragma once

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

} // namespace tenon::registry
