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
    // Prints errors that no message took up.
    ~ConsoleLogger() noexcept override;
    // Errors are forgotten: for a call whose caller lists them itself.
    void ignoreErrors(bool on) { mIgnoreErrors = on; }
    // The last error, for the message that ends a verb, or a fallback. It is not printed again.
    std::string takeError(const std::string& fallback);

private:
    Severity mThreshold;
    bool mIgnoreErrors = false;
    std::vector<std::string> mErrors; // wait for a message that takes them up, so that each is said once
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
