#include "registry/host_backend.h"

#include "registry/target_description.h"
#include "registry/text_sink.h"

#include <cstdint>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenon::registry {
namespace {

TEST(HostBackend, DescribesTheProcessor) {
    const HostDescription& host = hostDescription();
    EXPECT_GE(host.threads, 1);
    EXPECT_GE(host.cores, 1);
    EXPECT_LE(host.cores, host.threads);
    EXPECT_FALSE(host.arch.empty());
    EXPECT_GT(host.memoryBytes, 0);
    const std::string json = hostJson(host);
    EXPECT_THAT(json, testing::StartsWith("{\"backend\":\"host\",\"cpu\":\""));
    EXPECT_THAT(json, testing::HasSubstr(support::cat("\"threads\":", host.threads)));
}

TEST(HostBackend, FingerprintDependsOnWhatTimingsDependOn) {
    HostDescription host = hostDescription();
    const std::string fingerprint = hostFingerprint(host);
    EXPECT_EQ(hostFingerprint(host), fingerprint);
    host.threads += 1;
    host.memoryBytes += 1;
    EXPECT_EQ(hostFingerprint(host), fingerprint) << "the team's size is a part of the target of its own";
    host.isa.push_back("amx_future");
    EXPECT_NE(hostFingerprint(host), fingerprint);
    host = hostDescription();
    host.l2Bytes += 1;
    EXPECT_NE(hostFingerprint(host), fingerprint);
}

TEST(HostBackend, AllocatesAligned) {
    const TnBackend& table = hostBackendTable();
    for (const int64_t alignment : {1, 64, 4096}) {
        void* memory = table.allocate(table.self, 0, 100, alignment);
        ASSERT_NE(memory, nullptr);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(alignment), 0U);
        std::memset(memory, 1, 100);
        table.release(table.self, 0, memory);
    }
    void* empty = table.allocate(table.self, 0, 0, 64);
    EXPECT_NE(empty, nullptr);
    table.release(table.self, 0, empty);
    EXPECT_EQ(table.allocate(table.self, 0, -1, 64), nullptr);
    EXPECT_EQ(table.allocate(table.self, 0, 8, 48), nullptr) << "no power of two";
    EXPECT_EQ(table.allocate(table.self, 1, 8, 64), nullptr) << "no such device";
    EXPECT_EQ(table.allocate(table.self, 0, INT64_MAX / 2, 64), nullptr) << "more than there is";
}

TEST(HostBackend, Copies) {
    const TnBackend& table = hostBackendTable();
    char from[] = "overlapping";
    EXPECT_EQ(table.copy(table.self, from + 1, from, 4, nullptr, nullptr), TN_OK);
    EXPECT_STREQ(from, "ooverapping");
    TextSink reason;
    EXPECT_EQ(table.copy(table.self, nullptr, from, 4, nullptr, reason.sink()), TN_INVALID_ARGUMENT);
    EXPECT_FALSE(reason.text().empty());
}

TEST(TargetDescription, OfTheHost) {
    const auto snapshot = RegistrySnapshot::builtin();
    const auto target = describeTarget(*snapshot->backend("host"), 0, TN_PLACEMENT_HOST, 3);
    ASSERT_TRUE(target.ok()) << target.status().toString();
    EXPECT_EQ(target->threads, 3);
    EXPECT_EQ(target->json, hostTarget(3).json);
    EXPECT_EQ(target->fingerprint, hostTarget(3).fingerprint);
    EXPECT_EQ(hostTarget(0).threads, hostDescription().cores);
    EXPECT_EQ(describeTarget(*snapshot->backend("host"), 1, 1, 1).status().toString(),
              "Environment: backend 'host' has 1 usable devices, and number 1 was asked for");
    const TnTarget table = target->toTn();
    EXPECT_EQ(toView(table.backend), "host");
    EXPECT_EQ(toView(table.json), target->json);
}

} // namespace
} // namespace tenon::registry
