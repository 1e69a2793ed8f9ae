#include "core/support/status.h"

#include <cstdio>
#include <cstdlib>

namespace tenon::support {

const char* codeName(Code code) noexcept {
    switch (code) {
    case Code::kOk:
        return "Ok";
    case Code::kInvalidArgument:
        return "InvalidArgument";
    case Code::kInvalidFile:
        return "InvalidFile";
    case Code::kUnsupported:
        return "Unsupported";
    case Code::kNotFound:
        return "NotFound";
    case Code::kEnvironment:
        return "Environment";
    case Code::kCancelled:
        return "Cancelled";
    case Code::kOutOfMemory:
        return "OutOfMemory";
    case Code::kIo:
        return "Io";
    case Code::kInternal:
        return "Internal";
    case Code::kBuildFailed:
        return "BuildFailed";
    }
    return "Unknown";
}

Status::Status(Code code, std::string message)
    // A failure reported as "ok" would be taken for a success further up: better a wrong code than a lost error.
    : mError(new Error{code == Code::kOk ? Code::kInternal : code, std::move(message), {}}) {}

Status::Status(const Status& other) : mError(other.mError == nullptr ? nullptr : new Error(*other.mError)) {}

Status& Status::operator=(const Status& other) {
    if (this != &other) {
        mError.reset(other.mError == nullptr ? nullptr : new Error(*other.mError));
    }
    return *this;
}

Status::~Status() = default;

Code Status::code() const noexcept { return mError == nullptr ? Code::kOk : mError->code; }

const std::string& Status::message() const noexcept {
    static const std::string kEmpty;
    return mError == nullptr ? kEmpty : mError->message;
}

const std::vector<std::string>& Status::context() const noexcept {
    static const std::vector<std::string> kEmpty;
    return mError == nullptr ? kEmpty : mError->context;
}

Status& Status::addContext(std::string_view where) & {
    if (mError != nullptr) {
        mError->context.emplace_back(where);
    }
    return *this;
}

Status Status::withContext(std::string_view where) && {
    addContext(where);
    return std::move(*this);
}

Status Status::withContext(std::string_view where) const& { return Status(*this).withContext(where); }

std::string Status::toString() const {
    if (mError == nullptr) {
        return "Ok";
    }
    std::string text = cat(codeName(mError->code), ": ", mError->message);
    if (!mError->context.empty()) {
        append(text, " (", join(mError->context, "; "), ")");
    }
    return text;
}

namespace detail {

void failValueAccess(const Status& status) noexcept {
    std::fprintf(stderr, "tenon: read the value of a failed Result: %s\n", status.toString().c_str());
    std::abort();
}

Status missingValueError() {
    return Status(Code::kInternal, "a Result was made from an ok Status, so it holds neither a value nor a reason");
}

} // namespace detail
} // namespace tenon::support
