// What tools print: log lines and progress on standard error, results on standard output.
// Used by all verbs. Ctrl-C asks a running build to stop and keep its best plan; a second one ends the process.
#pragma once

#include "tenon/tenon.h"

#include <chrono>
#include <string>
#include <vector>

namespace tenon::tools {

class ConsoleLogger final : public nvinfer1::ILogger {
public:
    explicit ConsoleLogger(Severity threshold) : mThreshold(threshold) {}
    void log(Severity severity, nvinfer1::AsciiChar const* text) noexcept override;
    void setThreshold(Severity threshold) { mThreshold = threshold; }
    // Errors are collected, not printed: for a call whose caller lists them itself.
    void collectErrorsOnly(bool on) { mCollectErrorsOnly = on; }
    // Errors so far, for messages that end a verb.
    const std::vector<std::string>& errors() const { return mErrors; }

private:
    Severity mThreshold;
    bool mCollectErrorsOnly = false;
    std::vector<std::string> mErrors;
};

// Phase, bar, and the time left, on a terminal; nothing elsewhere. Stops the build on Ctrl-C.
class ConsoleProgress final : public nvinfer1::IProgressMonitor {
public:
    ConsoleProgress();
    ~ConsoleProgress() noexcept override;
    void phaseStart(char const* name, char const* parent, int32_t steps) noexcept override;
    bool stepComplete(char const* name, int32_t step) noexcept override;
    void phaseFinish(char const* name) noexcept override;

private:
    void draw(bool force) noexcept;
    bool mTerminal;
    std::string mPhase;
    int32_t mSteps = 0;
    int32_t mDone = 0;
    std::chrono::steady_clock::time_point mBegin;
    std::chrono::steady_clock::time_point mDrawn;
};

// Installs the Ctrl-C handler; true once it was pressed.
void catchInterrupt();
bool interrupted();

// "12.3 ms", "1.20 s", "850 us"
std::string durationText(double seconds);
// "1.5 MiB"
std::string bytesText(int64_t bytes);

} // namespace tenon::tools
