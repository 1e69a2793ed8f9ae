#include "core/schedule/tuning_database.h"

#include <gtest/gtest.h>

namespace tenon::schedule {
namespace {

const TimingKey kKey{"cpu-a/threads=2", "task1", "onednn", "2.6", "brg#1(f32 linear) -> (f32 linear)"};

TEST(TuningDatabase, KeepsTimesAndTheirDeviceThroughText) {
    TuningDatabase database;
    database.device = RecordedTarget{"cuda", "{}", "gpu-a"};
    database.times.insert(kKey, {1, 0, 3, ""});
    support::Result<TuningDatabase> read = TuningDatabase::deserialize(database.serialize());
    ASSERT_TRUE(read.ok()) << read.status().toString();
    EXPECT_EQ(read->device->fingerprint, "gpu-a");
    EXPECT_EQ(read->serialize(), database.serialize());
}

TEST(TuningDatabase, RefusesDamage) {
    const std::string text = TuningDatabase().serialize();
    const auto messageOf = [](std::string_view refused) {
        support::Result<TuningDatabase> read = TuningDatabase::deserialize(refused);
        EXPECT_EQ(read.code(), support::Code::kInvalidFile) << refused;
        return read.ok() ? std::string() : read.status().message();
    };
    for (const char* other : {"hello", "[]", "{}", R"({"tenon_tuning_database": "x", "times": {}})",
                              R"({"tenon_tuning_database": null, "times": {}})", R"({"tenon_tuning_database": 1})",
                              R"({"tenon_tuning_database": 2, "times": {}})"}) {
        EXPECT_EQ(messageOf(other), "this is no tuning database of format 1") << other;
    }
    EXPECT_EQ(messageOf(text.substr(0, 40)), "the tuning database is cut off: its 40 bytes end in the middle");
    for (const char* times : {"null", "{}", "[1]", "\"x\""}) {
        EXPECT_EQ(messageOf(support::cat(R"({"tenon_tuning_database": 1, "times": )", times, "}")),
                  "the tuning database's times: not a Tenon timing cache: the key \"tenon_timing_cache\" is missing");
    }
    EXPECT_NE(messageOf(R"({"tenon_tuning_database": 1, "times": 1e999})").find("the tuning database is damaged: "),
              std::string::npos);
    EXPECT_NE(messageOf(R"({"tenon_tuning_database": 1, "device": 3, "times": {}})").find("device is damaged"),
              std::string::npos);
    constexpr size_t kLevels = 200000;
    EXPECT_EQ(messageOf(support::cat(R"({"tenon_tuning_database": 1, "times": )", std::string(kLevels, '['),
                                     std::string(kLevels, ']'), "}")),
              "the tuning database is damaged: it is nested more than 64 levels deep");
}

} // namespace
} // namespace tenon::schedule
