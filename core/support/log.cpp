#include "core/support/log.h"

#include "core/support/env.h"

#include <array>
#include <memory>
#include <optional>

#include <spdlog/logger.h>
#include <spdlog/sinks/ansicolor_sink.h>

namespace tenon::support {

namespace {

spdlog::level::level_enum levelOf(Severity severity) noexcept {
    switch (severity) {
    case Severity::kInternalError:
        return spdlog::level::critical;
    case Severity::kError:
        return spdlog::level::err;
    case Severity::kWarning:
        return spdlog::level::warn;
    case Severity::kInfo:
        return spdlog::level::info;
    case Severity::kVerbose:
        return spdlog::level::debug;
    }
    return spdlog::level::critical;
}

std::unique_ptr<spdlog::logger> makeStderrLogger() {
    auto logger =
        std::make_unique<spdlog::logger>("tenon", std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>());
    logger->set_pattern("%^[%H:%M:%S.%e] [%L]%$ %v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::warn);
    return logger;
}

/// Standard error through spdlog, which locks per line and colours on a terminal only. Most processes have nothing to say: it is made for the first
/// line.
class StderrSink final : public LogSink {
public:
    void log(Severity severity, std::string_view message) noexcept override {
        try {
            // Never destroyed, as the sink.
            static spdlog::logger* const kLogger = makeStderrLogger().release();
            // As an argument, not as the format: messages quote names out of users' models.
            kLogger->log(levelOf(severity), "{}", spdlog::string_view_t(message.data(), message.size()));
        } catch (...) { // NOLINT(bugprone-empty-catch): no memory for a line about it either
        }
    }
};

std::optional<Severity> parseSeverity(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 5> kNames{"internal_error", "error", "warning", "info", "verbose"};
    for (size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] == name) {
            return static_cast<Severity>(i);
        }
    }
    return std::nullopt;
}

} // namespace

LogSink& defaultLogSink() {
    // Never destroyed: modules stay loaded until the process ends and may log while statics are being torn down.
    static StderrSink* const kSink = new StderrSink;
    return *kSink;
}

Logger defaultLogger() {
    static const Severity kThreshold = [] {
        const std::optional<std::string> wanted = readEnv("TENON_LOG");
        return wanted ? parseSeverity(*wanted).value_or(Severity::kWarning) : Severity::kWarning;
    }();
    return Logger(defaultLogSink(), kThreshold);
}

const char* severityName(Severity severity) noexcept {
    switch (severity) {
    case Severity::kInternalError:
        return "INTERNAL_ERROR";
    case Severity::kError:
        return "ERROR";
    case Severity::kWarning:
        return "WARNING";
    case Severity::kInfo:
        return "INFO";
    case Severity::kVerbose:
        return "VERBOSE";
    }
    return "UNKNOWN";
}

} // namespace tenon::support
