// Where the objects of the public API say what went wrong: the user's ILogger and IErrorRecorder.
// Used by every implementation class here; must not know networks or engines.
#pragma once

#include "core/support/log.h"
#include "core/support/status.h"
#include "tenon/error_recorder.h"
#include "tenon/logger.h"

#include <exception>
#include <string>
#include <string_view>

namespace tenon::api {

// Hands finished lines to an ILogger. Thread-safe as far as the user's logger is, which must be.
class LoggerSink final : public support::LogSink {
public:
    explicit LoggerSink(nvinfer1::ILogger& logger) noexcept : mLogger(&logger) {}
    void log(support::Severity severity, std::string_view message) noexcept override;
    nvinfer1::ILogger& logger() const noexcept { return *mLogger; }

private:
    nvinfer1::ILogger* mLogger;
};

// One per API object. Copies share the logger and take over the recorder, with a reference of their own: that is how
// what a builder makes starts with the builder's recorder. Reporting is thread-safe; setting the recorder is not.
class Reporter {
public:
    explicit Reporter(nvinfer1::ILogger& logger) noexcept : mSink(logger) {}
    Reporter(const Reporter& other) noexcept : mSink(other.mSink) { setRecorder(other.mRecorder); }
    Reporter& operator=(const Reporter&) = delete;
    ~Reporter() { setRecorder(nullptr); }

    void setRecorder(nvinfer1::IErrorRecorder* recorder) noexcept;
    nvinfer1::IErrorRecorder* recorder() const noexcept { return mRecorder; }
    nvinfer1::ILogger& logger() const noexcept { return mSink.logger(); }
    support::Logger log() const noexcept { return support::Logger(mSink); }

    // Logs an error and tells the recorder. Must not be given an ok status.
    void report(const support::Status& status) const noexcept;
    void error(nvinfer1::ErrorCode code, std::string_view text) const noexcept;
    void warning(std::string_view text) const noexcept { mSink.log(support::Severity::kWarning, text); }

private:
    mutable LoggerSink mSink;
    nvinfer1::IErrorRecorder* mRecorder = nullptr;
};

nvinfer1::ErrorCode errorCodeOf(support::Code code) noexcept;

// The logger that getLogger() gives to plugins: of the builder, runtime or refitter made last.
void rememberLogger(nvinfer1::ILogger* logger) noexcept;

// Runs `body` and turns what it throws into a report and `fallback`: no exception leaves the library.
template <class T, class Body>
T guarded(const Reporter& reporter, T fallback, Body&& body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        reporter.error(nvinfer1::ErrorCode::kFAILED_ALLOCATION, "out of memory");
    } catch (const std::exception& e) {
        reporter.error(nvinfer1::ErrorCode::kINTERNAL_ERROR, e.what());
    } catch (...) {
        reporter.error(nvinfer1::ErrorCode::kINTERNAL_ERROR, "unknown exception");
    }
    return fallback;
}

} // namespace tenon::api
