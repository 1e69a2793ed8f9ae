#include "registry/registry_snapshot.h"

#include "registry/text_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

namespace tenon::registry {
namespace {

TnTacticProvider providerNamed(const char* name) {
    TnTacticProvider table{};
    table.struct_size = sizeof(table);
    table.name = toTn(name);
    table.version = toTn("1");
    table.supports = [](void*, const TnTarget*, const TnTask*, TnSink*) -> TnCode { return TN_OK; };
    table.enumerate = [](void*, const TnTarget*, const TnTask*, TnTacticSink*, TnSink*) -> TnCode { return TN_OK; };
    table.compile = [](void*, const TnTarget*, const TnTask*, const TnTactic*, const TnCancel*, TnBlobSink*,
                       TnSink*) -> TnCode { return TN_OK; };
    return table;
}

TnKernelRuntime runtimeNamed(const char* name, uint32_t low, uint32_t high) {
    TnKernelRuntime table{};
    table.struct_size = sizeof(table);
    table.blob_min = low;
    table.blob_max = high;
    table.name = toTn(name);
    table.session_create = [](void*, const TnSessionInfo*, TnSession**, TnSink*) -> TnCode { return TN_OK; };
    table.session_destroy = [](TnSession*) {};
    table.deserialize = [](void*, const void*, size_t, uint32_t, TnKernel**, TnSink*) -> TnCode { return TN_OK; };
    table.kernel_destroy = [](TnKernel*) {};
    table.state_create = [](TnKernel*, TnSession*, TnState**, TnSink*) -> TnCode { return TN_OK; };
    table.state_destroy = [](TnState*) {};
    table.workspace = [](TnKernel*, TnSession*, const TnPrepareArgs*, TnSink*) -> int64_t { return 0; };
    table.prepare = [](TnState*, const TnPrepareArgs*, TnSink*) -> TnCode { return TN_OK; };
    table.launch = [](TnState*, const TnLaunchArgs*) -> TnCode { return TN_OK; };
    return table;
}

TEST(RegistrySnapshot, BuiltinHasHostMemory) {
    const auto snapshot = RegistrySnapshot::builtin();
    ASSERT_EQ(snapshot->backends().size(), 1U);
    EXPECT_EQ(snapshot->backends()[0].name, "host");
    EXPECT_NE(snapshot->ops().find("conv"), nullptr);
    EXPECT_TRUE(snapshot->providers().empty());
}

TEST(RegistrySnapshot, NeverChanges) {
    const auto before = RegistrySnapshot::builtin();
    const auto after = before->withInProcess({providerNamed("zeta"), providerNamed("alpha")}, {}, nullptr);
    ASSERT_TRUE(after.ok()) << after.status().toString();
    EXPECT_TRUE(before->providers().empty());
    ASSERT_EQ((*after)->providers().size(), 2U);
    EXPECT_EQ((*after)->providers()[0].name, "alpha") << "sorted by name, not by registration";
    EXPECT_EQ((*after)->providers()[0].origin.module, "in-process");

    // A refused addition leaves everything as it was.
    const auto refused = (*after)->withInProcess({providerNamed("new"), providerNamed("zeta")}, {}, nullptr);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.status().message(),
              "the tactic provider 'zeta' of module 'in-process' is already registered by module 'in-process'");
    EXPECT_EQ((*after)->provider("new"), nullptr);
}

TEST(RegistrySnapshot, KeepsOwnersAlive) {
    auto owner = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = owner;
    auto snapshot = RegistrySnapshot::builtin()->withInProcess({providerNamed("mine")}, {}, std::move(owner)).value();
    auto later = snapshot->withInProcess({providerNamed("other")}, {}, nullptr).value();
    snapshot.reset();
    EXPECT_FALSE(watch.expired()) << "the later snapshot has the entry too";
    later.reset();
    EXPECT_TRUE(watch.expired());
}

TEST(RegistrySnapshot, RuntimesByNameAndBlobVersion) {
    const auto snapshot = RegistrySnapshot::builtin()
                              ->withInProcess({}, {runtimeNamed("r", 3, 5), runtimeNamed("r", 1, 2)}, nullptr)
                              .value();
    ASSERT_NE(snapshot->runtime("r", 2), nullptr);
    EXPECT_EQ(snapshot->runtime("r", 2)->blobMax, 2U);
    EXPECT_EQ(snapshot->runtime("r", 4)->blobMin, 3U);
    EXPECT_EQ(snapshot->runtime("r", 6), nullptr);
    EXPECT_FALSE(snapshot->withInProcess({}, {runtimeNamed("r", 5, 9)}, nullptr).ok()) << "versions overlap";
    EXPECT_EQ(
        snapshot->requireRuntime("r", 6, "mine").status().toString(),
        "Environment: the kernel runtime 'r' (module 'mine') does not read blob version 6 (it reads versions 1 to 2 of "
        "module 'in-process' , versions 3 to 5 of module 'in-process' ): install the module's version that made the "
        "plan, "
        "or build the plan again");
    EXPECT_EQ(
        snapshot->requireRuntime("onednn", 1).status().toString(),
        "Environment: the kernel runtime 'onednn' is not loaded: install its module where Tenon finds it, or add its "
        "folder to TENON_MODULE_PATH; `tenon modules` shows what was found and what was skipped");
}

TEST(RegistrySnapshot, RefusesIncompleteTables) {
    const auto messageOf = [](const TnTacticProvider& provider) {
        return RegistrySnapshot::builtin()->withInProcess({provider}, {}, nullptr).status().message();
    };
    TnTacticProvider table = providerNamed("p");
    table.enumerate = nullptr;
    EXPECT_EQ(messageOf(table), "tactic provider 'p': the mandatory entry 'enumerate' is NULL");
    EXPECT_EQ(messageOf(providerNamed("a b")),
              "a tactic provider is named \"a b\", which is no name (letters, digits, '_', '.', '-'; at most 64)");
    table = providerNamed("p");
    table.version = {};
    EXPECT_EQ(messageOf(table),
              "tactic provider 'p': its version \"\" is no version (one line, at most 256 characters)");
    table = providerNamed("p");
    table.struct_size = 16;
    EXPECT_THAT(messageOf(table), testing::StartsWith("a tactic provider has a table of 16 bytes"));
    TnKernelRuntime runtime = runtimeNamed("r", 2, 1);
    EXPECT_EQ(RegistrySnapshot::builtin()->withInProcess({}, {runtime}, nullptr).status().message(),
              "kernel runtime 'r': it reads blob versions 2 to 1, which is none");
}

// Readers need no lock: a snapshot in hand stays as it is while others are made from it.
TEST(RegistrySnapshot, ReadFromManyThreads) {
    const auto base = RegistrySnapshot::builtin()->withInProcess({providerNamed("p")}, {}, nullptr).value();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&base, i] {
            for (int round = 0; round < 50; ++round) {
                const std::string name = support::cat("t", i);
                TnTacticProvider table = providerNamed("x");
                table.name = toTn(name);
                const auto mine = base->withInProcess({table}, {}, nullptr).value();
                EXPECT_NE(mine->provider(name), nullptr);
                EXPECT_EQ(base->providers().size(), 1U);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

} // namespace
} // namespace tenon::registry
