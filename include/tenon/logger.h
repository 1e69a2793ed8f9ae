// The user's log sink. Every message of the library goes to it; used by builders, runtimes, parsers and plugins.
#pragma once

#include "tenon/types.h"

namespace nvinfer1 {

// Implemented by the application. `log` may be called from several threads at once and must not throw.
// The object must outlive everything made with it.
class ILogger {
public:
    enum class Severity : int32_t {
        kINTERNAL_ERROR = 0, // a defect of the library
        kERROR = 1,          // the call failed
        kWARNING = 2,        // the call went on with something other than what was asked for
        kINFO = 3,
        kVERBOSE = 4,
    };

    virtual void log(Severity severity, AsciiChar const* msg) noexcept = 0;

    ILogger() = default;
    virtual ~ILogger() = default;

protected:
    ILogger(ILogger const&) = default;
    ILogger(ILogger&&) = default;
    ILogger& operator=(ILogger const&) & = default;
    ILogger& operator=(ILogger&&) & = default;
};

namespace impl {
template <>
struct EnumMaxImpl<ILogger::Severity> {
    static constexpr int32_t kVALUE = 5;
};
} // namespace impl

// Given to a plugin library through its exported `setLoggerFinder`, so that the library logs where its host logs.
class ILoggerFinder {
public:
    virtual ILogger* findLogger() = 0;

protected:
    virtual ~ILoggerFinder() = default;
};

} // namespace nvinfer1
