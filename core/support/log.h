// Logging: a `LogSink` receives lines, a `Logger` is the small handle that is passed to whoever may log.
// Used by the core; the public API puts an adapter over the user's ILogger here. Knows no tensors, and its header knows
// no logging library.
#pragma once

#include "core/support/text.h"

#include <string_view>

namespace tenon::support {

/// Numbered as TensorRT's ILogger::Severity: a smaller number is more severe.
enum class Severity : int { kInternalError = 0, kError = 1, kWarning = 2, kInfo = 3, kVerbose = 4 };

/// Receives finished lines (without a newline). Implementations are called from several threads at once and must be
/// thread-safe; they must not throw.
class LogSink {
public:
    virtual ~LogSink() = default;
    virtual void log(Severity severity, std::string_view message) noexcept = 0;
};

/// The process's default sink: coloured lines on standard error, thread-safe, never destroyed.
LogSink& defaultLogSink();

/// Where to log and from which severity on. A value: copy it freely. The sink belongs to whoever made it and outlives
/// every handle. Thread-safe as far as the sink is.
class Logger {
public:
    /// Logs to `sink` what is at least as severe as `threshold`.
    explicit Logger(LogSink& sink, Severity threshold = Severity::kVerbose) noexcept
        : mSink(&sink), mThreshold(threshold) {}

    /// True when a message of that severity would be seen: guards costly message building.
    bool enabled(Severity severity) const noexcept { return severity <= mThreshold; }
    Severity threshold() const noexcept { return mThreshold; }
    LogSink& sink() const noexcept { return *mSink; }

    void log(Severity severity, std::string_view message) const noexcept {
        if (enabled(severity)) {
            mSink->log(severity, message);
        }
    }

    template <class... Args>
    void internalError(const Args&... args) const {
        write(Severity::kInternalError, args...);
    }
    template <class... Args>
    void error(const Args&... args) const {
        write(Severity::kError, args...);
    }
    template <class... Args>
    void warning(const Args&... args) const {
        write(Severity::kWarning, args...);
    }
    template <class... Args>
    void info(const Args&... args) const {
        write(Severity::kInfo, args...);
    }
    template <class... Args>
    void verbose(const Args&... args) const {
        write(Severity::kVerbose, args...);
    }

private:
    template <class... Args>
    void write(Severity severity, const Args&... args) const {
        if (enabled(severity)) {
            mSink->log(severity, cat(args...));
        }
    }

    LogSink* mSink;
    Severity mThreshold;
};

/// The default sink with the threshold of the environment variable TENON_LOG (internal_error, error, warning, info,
/// verbose), read once; `warning` when it is not set. For what happens before or outside any object that has a logger.
Logger defaultLogger();

/// "ERROR", "WARNING", ...
const char* severityName(Severity severity) noexcept;

} // namespace tenon::support
