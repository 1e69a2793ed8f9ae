// Codes, reasons and text for module code: how a module says no, and why.
// Used by every other header of the module SDK. Knows abi.h only; must not know any core header.
#pragma once

#include "tenon/module/abi.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

/// True when `member` lies inside what the other side filled in. For members appended after version 1.0.
#define TN_HAS_MEMBER(pointer, member)                                                                                 \
    ((pointer)->struct_size >= offsetof(std::remove_cvref_t<decltype(*(pointer))>, member) + sizeof((pointer)->member))

namespace tenon::module {

/// The outcomes of abi.h, typed.
enum class Code : int32_t {
    kOk = TN_OK,
    kUnsupported = TN_UNSUPPORTED,          ///< a refusal: not an error, the next provider is asked
    kInvalidArgument = TN_INVALID_ARGUMENT, ///< the caller broke a rule, or a model's data is wrong
    kNotFound = TN_NOT_FOUND,
    kOutOfMemory = TN_OUT_OF_MEMORY,
    kCancelled = TN_CANCELLED,
    kEnvironment = TN_ENVIRONMENT, ///< a library, device or permission is missing
    kInternal = TN_INTERNAL,
};

inline std::string_view view(TnString text) noexcept {
    return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.size);
}
inline TnString toTn(std::string_view text) noexcept { return {text.data(), text.size()}; }

namespace detail {
inline void appendText(std::string& to, std::string_view piece) { to.append(piece); }
inline void appendText(std::string& to, const char* piece) { to.append(piece == nullptr ? "(null)" : piece); }
inline void appendText(std::string& to, char piece) { to.push_back(piece); }
inline void appendText(std::string& to, bool piece) { to.append(piece ? "true" : "false"); }
template <class Number>
    requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool> && !std::is_same_v<Number, char>)
void appendText(std::string& to, Number number) {
    std::array<char, 64> buffer;
    const std::to_chars_result end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
    to.append(buffer.data(), end.ptr);
}
} // namespace detail

/// Concatenates text, numbers and characters: `text("axis ", axis, " is out of range")`.
template <class... Pieces>
std::string text(const Pieces&... pieces) {
    std::string out;
    (detail::appendText(out, pieces), ...);
    return out;
}

/// Where a call explains itself. Every refusal and failure goes through it; each of the named functions writes the text
/// and returns the code, so that `return reason.unsupported("only 2-d, got rank ", rank);` is the whole refusal.
/// Valid during the call. Not thread-safe.
class Reason {
public:
    explicit Reason(TnSink* sink) noexcept : mSink(sink) {}

    template <class... Pieces>
    Code unsupported(const Pieces&... pieces) {
        return fail(Code::kUnsupported, pieces...);
    }
    template <class... Pieces>
    Code invalidArgument(const Pieces&... pieces) {
        return fail(Code::kInvalidArgument, pieces...);
    }
    template <class... Pieces>
    Code notFound(const Pieces&... pieces) {
        return fail(Code::kNotFound, pieces...);
    }
    template <class... Pieces>
    Code outOfMemory(const Pieces&... pieces) {
        return fail(Code::kOutOfMemory, pieces...);
    }
    template <class... Pieces>
    Code cancelled(const Pieces&... pieces) {
        return fail(Code::kCancelled, pieces...);
    }
    template <class... Pieces>
    Code environment(const Pieces&... pieces) {
        return fail(Code::kEnvironment, pieces...);
    }
    template <class... Pieces>
    Code internal(const Pieces&... pieces) {
        return fail(Code::kInternal, pieces...);
    }
    template <class... Pieces>
    Code fail(Code code, const Pieces&... pieces) {
        mCode = code;
        write(text(pieces...));
        return code;
    }
    /// The last failure; kOk when there was none. What a function that can only return null failed with.
    Code code() const noexcept { return mCode; }
    /// One line about something considered and dropped (a tactic, say), without failing.
    template <class... Pieces>
    void note(const Pieces&... pieces) {
        write(text(pieces..., '\n'));
    }

    void write(std::string_view piece) noexcept {
        if (mSink != nullptr && mSink->write != nullptr && !piece.empty()) {
            mSink->write(mSink->context, piece.data(), piece.size());
        }
    }
    TnSink* sink() const noexcept { return mSink; }

private:
    TnSink* mSink;
    Code mCode = Code::kOk;
};

namespace detail {
/// Runs `call(Reason&) -> Code` at the boundary: nothing that it throws gets out.
template <class Call>
TnCode guarded(TnSink* sink, Call&& call) noexcept {
    Reason reason(sink);
    try {
        return static_cast<TnCode>(call(reason));
    } catch (const std::bad_alloc&) {
        reason.write("out of host memory");
        return TN_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        reason.write("exception: ");
        reason.write(error.what());
        return TN_INTERNAL;
    } catch (...) {
        reason.write("an exception that is no std::exception");
        return TN_INTERNAL;
    }
}
} // namespace detail

} // namespace tenon::module
