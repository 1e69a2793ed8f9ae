#include "core/schedule/timing_cache.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

namespace tenon::schedule {
namespace {

const TimingKey kKey{"cpu-a/threads=2", "task1", "onednn", "2.6", "brg#1(f32 linear) -> (f32 linear)"};

TEST(TimingCache, KeepsRecordsThroughText) {
    TimingCache cache;
    cache.insert(kKey, {12.345678901234567, 0.01, 9, "", VerifiedRecord{0.5, 0.1}});
    TimingKey other = kKey;
    other.tactic = "jit#2";
    cache.insert(other, {0, 0, 0, "prepare: no memory"});
    support::Result<TimingCache> read = TimingCache::deserialize(cache.serialize());
    ASSERT_TRUE(read.ok()) << read.status().toString();
    MissReason reason = MissReason::kNone;
    const TimingRecord* record = read->find(kKey, reason);
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->us, 12.345678901234567);
    EXPECT_EQ(record->samples, 9);
    ASSERT_TRUE(record->verified.has_value());
    EXPECT_EQ(record->verified->maxAbs, 0.5);
    EXPECT_EQ(record->verified->maxRel, 0.1);
    EXPECT_FALSE(read->find(other, reason)->verified.has_value());
    EXPECT_EQ(read->find(other, reason)->failure, "prepare: no memory");
    EXPECT_EQ(read->serialize(), cache.serialize());
}

TEST(TimingCache, RemembersWhereATacticWasCompared) {
    TimingCache cache;
    const std::map<std::string, std::string> at = {{"minimum", ""}, {"optimum", ""}, {"maximum", "[9]: too large"}};
    cache.insert(kKey, {1, 0, 3, "", VerifiedRecord{0.5, 0.1, "file", at}});
    TimingKey other = kKey;
    other.tactic = "static#2";
    const std::map<std::string, std::string> optimum = {{"optimum", ""}};
    cache.insert(other, {1, 0, 3, "", VerifiedRecord{0.5, 0.1, "file", optimum}});
    const std::string text = cache.serialize();
    support::Result<TimingCache> read = TimingCache::deserialize(text);
    ASSERT_TRUE(read.ok()) << read.status().toString();
    MissReason reason = MissReason::kNone;
    EXPECT_EQ(read->find(kKey, reason)->verified->at, at);
    EXPECT_EQ(read->find(other, reason)->verified->at, optimum) << "that goes without saying, as in older files";
    EXPECT_EQ(text.find("\"optimum\""), text.rfind("\"optimum\""));
}

TEST(TimingCache, SaysWhyItMissed) {
    TimingCache cache;
    cache.insert(kKey, {1, 0, 3, ""});
    auto reasonOf = [&](TimingKey key) {
        MissReason reason = MissReason::kNone;
        EXPECT_EQ(cache.find(key, reason), nullptr);
        return reason;
    };
    TimingKey key = kKey;
    key.target = "cpu-b";
    EXPECT_EQ(reasonOf(key), MissReason::kTarget);
    key = kKey;
    key.task = "task2";
    EXPECT_EQ(reasonOf(key), MissReason::kTask);
    key = kKey;
    key.version = "3.0";
    EXPECT_EQ(reasonOf(key), MissReason::kVersion);
    key = kKey;
    key.tactic = "other";
    EXPECT_EQ(reasonOf(key), MissReason::kTactic);
}

TEST(TimingCache, NewVersionOfAProviderForgetsItsOldTimes) {
    TimingCache cache;
    cache.insert(kKey, {1, 0, 3, ""});
    TimingKey newer = kKey;
    newer.version = "3.0";
    cache.insert(newer, {2, 0, 3, ""});
    MissReason reason = MissReason::kNone;
    EXPECT_EQ(cache.find(kKey, reason), nullptr);
    EXPECT_EQ(cache.size(), 1u);
}

TEST(TimingCache, MergesWithAndWithoutOverwriting) {
    TimingCache mine;
    mine.insert(kKey, {1, 0, 3, ""});
    TimingCache theirs;
    theirs.insert(kKey, {5, 0, 3, ""});
    TimingKey more = kKey;
    more.task = "task2";
    theirs.insert(more, {7, 0, 3, ""});
    MissReason reason = MissReason::kNone;
    TimingCache kept = mine;
    ASSERT_TRUE(kept.merge(theirs, false).ok());
    EXPECT_EQ(kept.find(kKey, reason)->us, 1);
    EXPECT_EQ(kept.size(), 2u);
    ASSERT_TRUE(mine.merge(theirs, true).ok());
    EXPECT_EQ(mine.find(kKey, reason)->us, 5);
    TimingCache elsewhere;
    TimingKey away = kKey;
    away.target = "cpu-b";
    elsewhere.insert(away, {1, 0, 3, ""});
    EXPECT_FALSE(mine.merge(elsewhere, false, true).ok());
    EXPECT_TRUE(mine.merge(elsewhere, false, false).ok());
}

TEST(TimingCache, RefusesDamage) {
    for (const char* text : {"{", "[]", "{\"tenon_timing_cache\": 99, \"targets\": {}}", "{\"tenon_timing_cache\": 1}",
                             "{\"tenon_timing_cache\": 1, \"targets\": {\"t\": {\"k\": {\"p\": {\"version\": \"1\", "
                             "\"tactics\": {\"a\": {\"us\": \"x\"}}}}}}}",
                             "{\"tenon_timing_cache\": 1, \"targets\": {\"t\": {\"k\": {\"p\": {\"version\": \"1\", "
                             "\"tactics\": {\"a\": {\"us\": -1}}}}}}}"}) {
        EXPECT_EQ(TimingCache::deserialize(text).code(), support::Code::kInvalidFile) << text;
    }
    EXPECT_TRUE(TimingCache::deserialize("").ok());
}

std::string nested(const std::string& before, const std::string& after) {
    constexpr size_t kLevels = 200000;
    return before + std::string(kLevels, '[') + std::string(kLevels, ']') + after;
}

TEST(TimingCache, RefusesWhatIsNestedDeeply) {
    const std::string text = nested(R"({"tenon_timing_cache": 1, "targets": )", "}");
    EXPECT_EQ(TimingCache::deserialize(text).status().message(),
              "timing cache is damaged: it is nested more than 64 levels deep");
    EXPECT_EQ(TimingCache::whyRefused(text), TimingCache::Refused::kOther);
    // Brackets in names are none.
    TimingCache cache;
    TimingKey key = kKey;
    key.tactic = std::string(1000, '[') + "\"{\\";
    cache.insert(key, {1, 0, 3, ""});
    EXPECT_TRUE(TimingCache::deserialize(cache.serialize()).ok());
}

TEST(TimingCache, SaysWhetherWhatItRefusesMayBeWrittenOver) {
    using Refused = TimingCache::Refused;
    TimingCache cache;
    cache.insert(kKey, {1, 0, 3, ""});
    const std::string text = cache.serialize();
    const auto replaced = [&](std::string_view from, std::string_view to) {
        std::string changed = text;
        return changed.replace(changed.find(from), from.size(), to);
    };
    const auto expect = [](const std::string& refused, Refused why) {
        EXPECT_FALSE(TimingCache::deserialize(refused).ok()) << refused;
        EXPECT_EQ(TimingCache::whyRefused(refused), why) << refused;
    };
    expect(text.substr(0, text.size() / 2), Refused::kBroken);
    expect(replaced("samples", std::string_view("sa\0ples", 7)), Refused::kBroken);
    expect(replaced("\"tenon_timing_cache\": 1", "\"tenon_timing_cache\": 2"), Refused::kUnusable);
    expect(replaced("\"us\": 1", "\"us\": -1"), Refused::kUnusable);
    // Whole documents of others are theirs, whatever they begin with, and so is what only looks a little like ours.
    expect("{\n \"targets\": {\n  \"host\": 1\n },\n \"name\": \"mine\"\n}\n", Refused::kOther);
    expect(R"({"targets": ["host"], "name": "mine"})", Refused::kOther);
    expect(R"({"targets": ["host"], "name": "mine)", Refused::kOther);
    expect("hello", Refused::kOther);
    expect("[]", Refused::kOther);
}

TEST(TimingCache, AMissingFileIsEmpty) {
    std::string path = (std::filesystem::temp_directory_path() / "tenon_timing_cache_test.json").string();
    std::remove(path.c_str());
    support::Result<TimingCache> cache = TimingCache::load(path);
    ASSERT_TRUE(cache.ok());
    EXPECT_TRUE(cache->empty());
    cache->insert(kKey, {1, 0, 3, ""});
    ASSERT_TRUE(cache->save(path).ok());
    EXPECT_EQ(TimingCache::load(path)->size(), 1u);
    std::remove(path.c_str());
}

} // namespace
} // namespace tenon::schedule
