#include "tools/common/console.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

namespace tenon::tools {

void printLog(nvinfer1::ILogger::Severity severity, const std::string& text, LogMarks marks) {
    static constexpr const char* kNames[] = {"internal error:", "error:", "warning:", "info:", "verbose:"};
    static constexpr const char* kLetters[] = {"[F]", "[E]", "[W]", "[I]", "[V]"};
    const auto at = static_cast<size_t>(severity);
    std::string lines = marks == LogMarks::kWords ? kNames[at] : kLetters[at];
    lines += ' ';
    for (const char c : text) {
        lines += c;
        if (c == '\n' && marks == LogMarks::kLetters) {
            lines += std::string(kLetters[at]) + ' ';
        }
    }
    std::fprintf(stderr, "%s%s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", lines.c_str());
}

namespace {

std::atomic<const char*> gStoppable{nullptr}; // what Ctrl-C stops; null: the process
std::atomic<bool> gStop{false};

[[noreturn]] void waitForInterrupts(sigset_t signals, LogMarks marks) {
    for (;;) {
        int signal = 0;
        sigwait(&signals, &signal);
        const char* const what = gStoppable;
        if (what == nullptr || gStop.exchange(true)) {
            // End as if nobody had asked for the signal, so that whoever started the process sees why it ended.
            std::signal(signal, SIG_DFL);
            pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
            std::raise(signal);
        }
        std::fputs("\n", stderr); // a terminal shows ^C
        printLog(nvinfer1::ILogger::Severity::kINFO,
                 std::string("stopping the ") + what + " (Ctrl-C again to quit at once)", marks);
    }
}

} // namespace

void takeInterrupts(LogMarks marks) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr); // threads that are made later inherit it
    std::thread(waitForInterrupts, signals, marks).detach();
}

InterruptsStop::InterruptsStop(const char* what) { gStoppable = what; }
InterruptsStop::~InterruptsStop() { gStoppable = nullptr; }
const std::atomic<bool>& InterruptsStop::flag() const { return gStop; }

ConsoleLogger::~ConsoleLogger() noexcept {
    for (const std::string& error : mErrors) {
        printLog(Severity::kERROR, error, mMarks);
    }
}

void ConsoleLogger::log(Severity severity, nvinfer1::AsciiChar const* text) noexcept {
    if (severity == Severity::kERROR) {
        if (!mIgnoreErrors && (mErrors.empty() || mErrors.back() != text)) {
            mErrors.emplace_back(text);
        }
    } else if (severity <= mThreshold && !(mStopped != nullptr && *mStopped)) {
        printLog(severity, text, mMarks);
    }
}

void ConsoleLogger::warn(const std::string& text) noexcept { log(Severity::kWARNING, text.c_str()); }

std::string ConsoleLogger::takeError(const std::string& fallback) {
    if (mErrors.empty()) {
        return fallback;
    }
    std::string last = std::move(mErrors.back());
    mErrors.pop_back();
    return last;
}

ConsoleProgress::ConsoleProgress(const ConsoleLogger& logger) : mTerminal(isatty(STDERR_FILENO) != 0) {
    if (!mTerminal && logger.threshold() >= nvinfer1::ILogger::Severity::kWARNING) {
        mLines = std::thread([this, marks = logger.marks()] { printLines(marks); });
    }
}

ConsoleProgress::~ConsoleProgress() noexcept {
    if (mTerminal) {
        std::fputs("\r\033[K", stderr);
    }
    if (mLines.joinable()) {
        {
            const std::lock_guard lock(mMutex);
            mEnded = true;
        }
        mEnds.notify_one();
        mLines.join();
    }
}

void ConsoleProgress::phaseStart(char const* name, char const*, int32_t steps) noexcept {
    const std::lock_guard lock(mMutex);
    mPhases.push_back({name, steps});
    draw(true);
}

bool ConsoleProgress::stepComplete(char const* name, int32_t step) noexcept {
    const std::lock_guard lock(mMutex);
    if (!mPhases.empty() && mPhases.back().name == name) {
        mPhases.back().done = step;
        draw(false);
    }
    return !gStop;
}

void ConsoleProgress::phaseFinish(char const* name) noexcept {
    const std::lock_guard lock(mMutex);
    if (!mPhases.empty() && mPhases.back().name == name) {
        mPhases.back().done = mPhases.back().steps;
        draw(true);
        mPhases.pop_back();
    }
}

// ", about 12 s left of it", of the phase; empty where that cannot be said yet.
std::string ConsoleProgress::timeLeft() const {
    const Phase& phase = mPhases.back();
    const double spent = std::chrono::duration<double>(Clock::now() - phase.begin).count();
    return phase.done > 0 && phase.done < phase.steps && spent > 0.5
               ? ", about " + durationText(spent / phase.done * (phase.steps - phase.done)) + " left of it"
               : "";
}

void ConsoleProgress::draw(bool force) noexcept {
    const Clock::time_point now = Clock::now();
    if (!mTerminal || (!force && now - mDrawn < std::chrono::milliseconds(100))) {
        return;
    }
    mDrawn = now;
    constexpr int kWidth = 24;
    const Phase& phase = mPhases.back();
    int filled = phase.steps > 0 ? static_cast<int>(static_cast<int64_t>(kWidth) * phase.done / phase.steps) : 0;
    std::fprintf(stderr, "\r\033[K[%-*.*s] %s %d/%d%s", kWidth, filled, "########################", phase.name.c_str(),
                 phase.done, phase.steps, timeLeft().c_str());
    std::fflush(stderr);
}

void ConsoleProgress::printLines(LogMarks marks) {
    std::unique_lock lock(mMutex);
    while (!mEnds.wait_for(lock, std::chrono::seconds(5), [this] { return mEnded; })) {
        if (mPhases.empty()) {
            continue;
        }
        const Phase& phase = mPhases.back();
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - mBegin).count();
        const std::string steps =
            phase.steps > 1 && phase.done < phase.steps
                ? ", " + std::to_string(phase.done) + " of " + std::to_string(phase.steps) + timeLeft()
                : "";
        printLog(nvinfer1::ILogger::Severity::kINFO,
                 "building for " + std::to_string(seconds) + " s: " + phase.name + steps, marks);
    }
}

std::string durationText(double seconds) {
    char text[32];
    if (seconds >= 60) {
        std::snprintf(text, sizeof(text), "%d min %02d s", static_cast<int>(seconds) / 60,
                      static_cast<int>(seconds) % 60);
    } else if (seconds >= 1) {
        std::snprintf(text, sizeof(text), "%.2f s", seconds);
    } else if (seconds >= 1e-3) {
        std::snprintf(text, sizeof(text), "%.3g ms", seconds * 1e3);
    } else {
        std::snprintf(text, sizeof(text), "%.3g us", seconds * 1e6);
    }
    return text;
}

std::string bytesText(int64_t bytes) {
    char text[32];
    if (bytes >= 1 << 20) {
        std::snprintf(text, sizeof(text), "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
    } else {
        std::snprintf(text, sizeof(text), "%.1f KiB", static_cast<double>(bytes) / (1 << 10));
    }
    return text;
}

} // namespace tenon::tools
