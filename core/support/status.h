// Errors as values: `Status` (ok, or code + message + context chain) and `Result<T>` (a T, or a Status that is not ok).
// Used by everything inside the core; nothing throws across a library or module boundary, so this is how a failure
// travels. Knows no tensors and does not log: who handles the error decides whether to.
//
//   Result<Plan> readPlan(const Path& path) {
//       TN_ASSIGN_OR_RETURN(FileMap file, FileMap::open(path));
//       TN_RETURN_IF_ERROR(checkHeader(file.bytes()).withContext(cat("while reading ", path)));
//       ...
//   }
#pragma once

#include "core/support/text.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tenon::support {

/// What kind of failure: decides the exit code of the tools and the `ErrorCode` of the public API.
enum class Code {
    kOk,
    kInvalidArgument, ///< the caller asked for something that makes no sense
    kInvalidFile,     ///< a model, plan, cache or manifest is damaged or of another version
    kUnsupported,     ///< well formed, but no module present can do it
    kNotFound,        ///< a file, name or entry does not exist
    kEnvironment,     ///< missing module, device, library or permission
    kCancelled,       ///< the user stopped it
    kOutOfMemory,
    kIo,          ///< reading or writing failed (a full disk, say)
    kInternal,    ///< a bug of ours
    kBuildFailed, ///< no plan fulfils all constraints
};

/// "InvalidArgument", ... : stable, used in messages and JSON.
const char* codeName(Code code) noexcept;

/// Ok, or why not. One pointer wide, null when ok. A value type: copies are independent. Not safe for concurrent
/// mutation, as any value.
class [[nodiscard]] Status {
public:
    Status() noexcept = default;
    /// `code` must not be kOk: a success has no message.
    Status(Code code, std::string message);
    Status(const Status& other);
    Status& operator=(const Status& other);
    Status(Status&&) noexcept = default;
    Status& operator=(Status&&) noexcept = default;
    ~Status();

    bool ok() const noexcept { return mError == nullptr; }
    Code code() const noexcept;
    /// What happened, without context and code; empty when ok.
    const std::string& message() const noexcept;
    /// Context lines, innermost first; empty when ok.
    const std::vector<std::string>& context() const noexcept;

    /// Adds where it happened ("while importing node 'conv1'"), on the way up. No effect when ok.
    Status& addContext(std::string_view where) &;
    /// The same for a temporary, so that it chains: `return parse(x).withContext("...")`.
    Status withContext(std::string_view where) &&;
    Status withContext(std::string_view where) const&;

    /// "InvalidFile: bad magic (while reading section 3; while loading m.plan)", or "Ok".
    std::string toString() const;

private:
    struct Error {
        Code code;
        std::string message;
        std::vector<std::string> context;
    };
    std::unique_ptr<Error> mError;
};

inline Status okStatus() noexcept { return {}; }

/// `makeError(Code::kNotFound, "no module named '", name, "'")`
template <class... Args>
Status makeError(Code code, const Args&... args) {
    return Status(code, cat(args...));
}

template <class... Args>
Status invalidArgument(const Args&... args) {
    return Status(Code::kInvalidArgument, cat(args...));
}
template <class... Args>
Status invalidFile(const Args&... args) {
    return Status(Code::kInvalidFile, cat(args...));
}
template <class... Args>
Status unsupported(const Args&... args) {
    return Status(Code::kUnsupported, cat(args...));
}
template <class... Args>
Status notFound(const Args&... args) {
    return Status(Code::kNotFound, cat(args...));
}
template <class... Args>
Status internalError(const Args&... args) {
    return Status(Code::kInternal, cat(args...));
}

namespace detail {
/// Ends the process with a message: for reading a value that is not there, which is a bug of the caller.
[[noreturn]] void failValueAccess(const Status& status) noexcept;
/// A Result made from an ok Status has neither value nor reason: turned into an internal error.
Status missingValueError();
} // namespace detail

/// A T, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
    static_assert(!std::is_reference_v<T>, "return a pointer instead");
    static_assert(!std::is_same_v<std::remove_cv_t<T>, Status>, "use Status itself");

public:
    using ValueType = T;

    Result(T value) : mValue(std::move(value)) {}
    /// Takes what converts to a T (a unique_ptr of a derived class, a string literal, ...).
    template <class U>
        requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
                 !std::is_same_v<std::remove_cvref_t<U>, Status> && !std::is_same_v<std::remove_cvref_t<U>, Result>)
    Result(U&& value) : mValue(std::forward<U>(value)) {}
    Result(Status status) : mStatus(std::move(status)) {
        if (mStatus.ok()) {
            mStatus = detail::missingValueError();
        }
    }

    bool ok() const noexcept { return mValue.has_value(); }
    explicit operator bool() const noexcept { return ok(); }
    Code code() const noexcept { return mStatus.code(); }
    /// Ok when there is a value.
    const Status& status() const& noexcept { return mStatus; }
    Status status() && noexcept { return std::move(mStatus); }

    /// The value. Ends the process when there is none: check `ok()` first.
    T& value() & {
        check();
        return *mValue;
    }
    const T& value() const& {
        check();
        return *mValue;
    }
    T value() && {
        check();
        return std::move(*mValue);
    }
    T valueOr(T fallback) && { return ok() ? std::move(*mValue) : std::move(fallback); }

    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    /// Adds context to the error, if any.
    Result withContext(std::string_view where) && {
        mStatus.addContext(where);
        return std::move(*this);
    }

private:
    void check() const {
        if (!mValue.has_value()) [[unlikely]] {
            detail::failValueAccess(mStatus);
        }
    }

    std::optional<T> mValue;
    Status mStatus;
};

} // namespace tenon::support

#define TN_CONCAT_INNER(a, b) a##b
#define TN_CONCAT(a, b) TN_CONCAT_INNER(a, b)

/// Returns from the calling function when `expr` (a Status) is not ok.
#define TN_RETURN_IF_ERROR(expr)                                                                                       \
    do {                                                                                                               \
        if (::tenon::support::Status tnStatus = (expr); !tnStatus.ok()) [[unlikely]] {                                 \
            return tnStatus;                                                                                           \
        }                                                                                                              \
    } while (false)

/// `TN_ASSIGN_OR_RETURN(auto file, open(path));` : declares or assigns from a Result, or returns its Status.
/// A declaration with a comma in its type needs parentheses-free spelling through an alias.
#define TN_ASSIGN_OR_RETURN(decl, ...) TN_ASSIGN_OR_RETURN_INNER(TN_CONCAT(tnResult, __LINE__), decl, __VA_ARGS__)
#define TN_ASSIGN_OR_RETURN_INNER(result, decl, ...)                                                                   \
    auto result = (__VA_ARGS__);                                                                                       \
    if (!result.ok()) [[unlikely]] {                                                                                   \
        return std::move(result).status();                                                                             \
    }                                                                                                                  \
    decl = std::move(result).value()
