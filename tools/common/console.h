// What tools print: log lines and progress on standard error, results on standard output.
// Used by all verbs. Ctrl-C asks a running build to stop and keep its best plan, and a measurement to say what it has; a second one ends the process.
#pragma once

#include "tenon/tenon.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tenon::tools {

// What a line begins with: "warning:", or "[W]" as TensorRT's trtexec has it.
enum class LogMarks { kWords, kLetters };

class ConsoleLogger final : public nvinfer1::ILogger {
public:
    explicit ConsoleLogger(Severity threshold, LogMarks marks = LogMarks::kWords)
        : mThreshold(threshold), mMarks(marks) {}
    void log(Severity severity, nvinfer1::AsciiChar const* text) noexcept override;
    void warn(const std::string& text) noexcept;
    // Prints errors that no message took up.
    ~ConsoleLogger() noexcept override;
    // Warnings are forgotten once `stopped` is set, which must live until the next call; null: never. What was stopped says so itself, in one sentence.
    void ignoreWarningsOf(const std::atomic<bool>* stopped) { mStopped = stopped; }
    // Errors are forgotten: for a call whose caller lists them itself.
    void ignoreErrors(bool on) { mIgnoreErrors = on; }
    // The last error, for the message that ends a verb, or a fallback. It is not printed again.
    std::string takeError(const std::string& fallback);
    Severity threshold() const { return mThreshold; }
    LogMarks marks() const { return mMarks; }

private:
    Severity mThreshold;
    LogMarks mMarks;
    bool mIgnoreErrors = false;
    const std::atomic<bool>* mStopped = nullptr;
    std::vector<std::string> mErrors; // wait for a message that takes them up, so that each is said once
};

// Which kind of error came last: exit codes follow from it. The texts go to the logger.
class LastError final : public nvinfer1::IErrorRecorder {
public:
    // The input is fine, and this machine lacks something: a module, a device, memory, a permission.
    bool isEnvironment() const noexcept {
        return mCode == nvinfer1::ErrorCode::kFAILED_INITIALIZATION || mCode == nvinfer1::ErrorCode::kFAILED_ALLOCATION;
    }
    // Shapes that some step does not take.
    bool isUsage() const noexcept { return mCode == nvinfer1::ErrorCode::kINVALID_ARGUMENT; }
    int32_t getNbErrors() const noexcept override { return mCode == nvinfer1::ErrorCode::kSUCCESS ? 0 : 1; }
    nvinfer1::ErrorCode getErrorCode(int32_t) const noexcept override { return mCode; }
    ErrorDesc getErrorDesc(int32_t) const noexcept override { return ""; }
    bool hasOverflowed() const noexcept override { return false; }
    void clear() noexcept override { mCode = nvinfer1::ErrorCode::kSUCCESS; }
    bool reportError(nvinfer1::ErrorCode code, ErrorDesc) noexcept override {
        mCode = code;
        return false;
    }
    // Its owner outlives those who report to it.
    RefCount incRefCount() noexcept override { return 1; }
    RefCount decRefCount() noexcept override { return 1; }

private:
    std::atomic<nvinfer1::ErrorCode> mCode{nvinfer1::ErrorCode::kSUCCESS};
};

// Phase, bar, and the time left, on a terminal; elsewhere a line of the log every five seconds, unless the logger prints errors only.
class ConsoleProgress final : public nvinfer1::IProgressMonitor {
public:
    explicit ConsoleProgress(const ConsoleLogger& logger);
    ~ConsoleProgress() noexcept override;
    ConsoleProgress(const ConsoleProgress&) = delete;
    ConsoleProgress& operator=(const ConsoleProgress&) = delete;
    void phaseStart(char const* name, char const* parent, int32_t steps) noexcept override;
    bool stepComplete(char const* name, int32_t step) noexcept override;
    void phaseFinish(char const* name) noexcept override;

private:
    using Clock = std::chrono::steady_clock;
    void draw(bool force) noexcept;
    std::string timeLeft() const;
    void printLines(LogMarks marks); // until the end: a step may take longer than the time between two lines

    const bool mTerminal;
    std::mutex mMutex;
    std::condition_variable mEnds;
    bool mEnded = false;
    struct Phase {
        std::string name;
        int32_t steps = 0;
        int32_t done = 0;
        Clock::time_point begin = Clock::now();
    };
    std::vector<Phase> mPhases; // each lies in the one before; the last one is what is shown
    const Clock::time_point mBegin = Clock::now();
    Clock::time_point mDrawn;
    std::thread mLines;
};

// A line of the log on standard error; of text with several lines each has the mark where marks are letters, as scripts read them by line.
void printLog(nvinfer1::ILogger::Severity severity, const std::string& text, LogMarks marks = LogMarks::kWords);

// Call first in main, before there is another thread: Ctrl-C is then taken by a thread of its own. A handler would run on the stack of whatever
// thread is interrupted, and code that libraries generate (oneDNN's) uses the stack pointer for data in the heap: the handler would write there.
void takeInterrupts(LogMarks marks = LogMarks::kWords);
// As long as one lives, Ctrl-C asks `what` ("build", "measurement") to stop instead of ending the process; the second one ends it.
class InterruptsStop {
public:
    explicit InterruptsStop(const char* what);
    ~InterruptsStop();
    InterruptsStop(const InterruptsStop&) = delete;
    InterruptsStop& operator=(const InterruptsStop&) = delete;
    // Whether it was pressed.
    const std::atomic<bool>& flag() const;
};

// "12.3 ms", "1.20 s", "850 us"
std::string durationText(double seconds);
// "1.5 MiB"
std::string bytesText(int64_t bytes);

} // namespace tenon::tools
