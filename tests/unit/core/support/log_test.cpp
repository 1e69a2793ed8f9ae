#include "core/support/log.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tenon::support {
namespace {

struct RecordingSink final : LogSink {
    std::vector<std::pair<Severity, std::string>> lines;
    void log(Severity severity, std::string_view message) noexcept override { lines.emplace_back(severity, message); }
};

TEST(Logger, PassesOnWhatIsSevereEnough) {
    RecordingSink sink;
    const Logger logger(sink, Severity::kWarning);
    logger.error("bad ", 1);
    logger.warning("odd");
    logger.info("dull");
    ASSERT_EQ(sink.lines.size(), 2U);
    EXPECT_EQ(sink.lines[0], (std::pair{Severity::kError, std::string("bad 1")}));
    EXPECT_EQ(sink.lines[1].first, Severity::kWarning);
    EXPECT_TRUE(logger.enabled(Severity::kInternalError));
    EXPECT_FALSE(logger.enabled(Severity::kVerbose));
}

TEST(Logger, SeveritiesAreNumberedAsTheApiNumbersThem) {
    EXPECT_EQ(static_cast<int>(Severity::kInternalError), 0);
    EXPECT_EQ(static_cast<int>(Severity::kVerbose), 4);
    EXPECT_STREQ(severityName(Severity::kWarning), "WARNING");
}

TEST(DefaultSink, WritesWholeLinesFromSeveralThreadsAndQuotesNothing) {
    testing::internal::CaptureStderr();
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([] {
            for (int i = 0; i < 50; ++i) {
                // Braces are text here, not a format.
                defaultLogSink().log(Severity::kError, "line {} of {name}");
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::string output = testing::internal::GetCapturedStderr();
    size_t lines = 0;
    for (const std::string_view line : split(output, '\n')) {
        if (!line.empty()) {
            EXPECT_TRUE(line.ends_with("[E] line {} of {name}")) << line;
            ++lines;
        }
    }
    EXPECT_EQ(lines, 200U);
}

} // namespace
} // namespace tenon::support
