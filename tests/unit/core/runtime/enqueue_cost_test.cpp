// What a run costs besides its kernels: no allocation, little time; and contexts on several threads.
#include "core/runtime/context_state.h"
#include "tests/unit/core/runtime/fake_runtime.h"
#include "tests/unit/core/runtime/plan_maker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <thread>

namespace {

// Counts what the thread that asks for it allocates.
thread_local bool tCounting = false;
std::atomic<int> gAllocations{0};

void* counted(std::size_t size, std::size_t alignment) {
    if (tCounting) {
        ++gAllocations;
    }
    void* const memory = alignment <= alignof(std::max_align_t)
                             ? std::malloc(size == 0 ? 1 : size)
                             : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory == nullptr) {
        std::abort();
    }
    return memory;
}

} // namespace

// The pair is replaced as a whole; the compiler looks at each function alone.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new[](std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return counted(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return counted(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace tenon::runtime {
namespace {

using testing::FakeRuntime;
using testing::PlanMaker;
using Role = plan::PlanTensor::Role;

// `steps` empty kernels in a row, each from one activation to the next.
plan::Plan chainPlan(int steps) {
    PlanMaker maker;
    const auto n = maker.symbol("N", ir::SymbolSource::kInputDim, 0, 0, {{1, 2, 4}});
    const int32_t x = maker.input("x", {n}, {{{{1}, {2}, {4}}}});
    const int32_t y = maker.output("y", {n});
    int32_t last = maker.tensor(Role::kInput, x, {n}, 16);
    for (int i = 0; i < steps; ++i) {
        const int32_t next =
            i + 1 == steps ? maker.tensor(Role::kOutput, y, {n}, 16) : maker.tensor(Role::kActivation, -1, {n}, 16);
        maker.step(maker.launch("noop", {last}, {next}));
        last = next;
    }
    return maker.finish();
}

struct Engine {
    FakeRuntime fake;
    std::shared_ptr<const LoadedPlan> plan;
    explicit Engine(plan::Plan source) {
        LoadOptions options;
        options.machine = "";
        auto loaded = LoadedPlan::load(std::move(source), fake.snapshot(), options);
        EXPECT_TRUE(loaded.ok()) << loaded.status().toString();
        plan = std::move(loaded).value();
    }
};

TEST(EnqueueCost, NothingIsAllocated) {
    Engine engine(testing::dynamicPlan());
    const auto context = ContextState::create(engine.plan, {.threads = 1});
    ContextState& state = **context;
    std::vector<float> x(8, 1);
    std::vector<float> y(8);
    const std::vector<int64_t> dims = {3, 2};
    ASSERT_TRUE(state.setInputShape(0, dims).ok());
    ASSERT_TRUE(state.setAddress(0, x.data()).ok());
    ASSERT_TRUE(state.setAddress(1, y.data()).ok());
    ASSERT_TRUE(state.enqueue(nullptr).ok());
    std::vector<float> other(8);
    struct Heard {
        int steps = 0;
    } heard;
    gAllocations = 0;
    tCounting = true;
    bool ok = true;
    for (int i = 0; i < 10; ++i) {
        ok = ok && state.setAddress(1, i % 2 == 0 ? y.data() : other.data()).ok() && state.enqueue(nullptr).ok();
    }
    ok = state.setProfiler({&heard, [](void* self, std::string_view, float) { ++static_cast<Heard*>(self)->steps; }})
             .ok() &&
         ok;
    ok = ok && state.enqueue(nullptr).ok();
    tCounting = false;
    EXPECT_TRUE(ok);
    EXPECT_EQ(heard.steps, 2);
    EXPECT_EQ(gAllocations, 0);

    // The counter works: a shape change allocates (the fake's prepare does).
    tCounting = true;
    const std::vector<int64_t> smaller = {2, 2};
    ok = state.setInputShape(0, smaller).ok() && state.enqueue(nullptr).ok();
    tCounting = false;
    EXPECT_TRUE(ok);
    EXPECT_GT(gAllocations, 0);
}

TEST(EnqueueCost, HundredEmptySteps) {
    Engine engine(chainPlan(100));
    const auto context = ContextState::create(engine.plan, {.threads = 1});
    ContextState& state = **context;
    float x[4] = {};
    float y[4] = {};
    const std::vector<int64_t> dims = {4};
    ASSERT_TRUE(state.setInputShape(0, dims).ok());
    ASSERT_TRUE(state.setAddress(0, x).ok());
    ASSERT_TRUE(state.setAddress(1, y).ok());
    ASSERT_TRUE(state.enqueue(nullptr).ok());
    double best = 1e9;
    for (int sample = 0; sample < 50; ++sample) {
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < 20; ++i) {
            ASSERT_TRUE(state.enqueue(nullptr).ok());
        }
        const std::chrono::duration<double, std::micro> us = std::chrono::steady_clock::now() - begin;
        best = std::min(best, us.count() / 20);
    }
    RecordProperty("microseconds", std::to_string(best));
    std::printf("enqueue of 100 empty steps: %.2f us\n", best);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
    GTEST_SKIP() << "times mean nothing in this build: " << best << " us";
#endif
    EXPECT_LT(best, 20.0);
}

TEST(Contexts, RunAtTheSameTime) {
    Engine engine(testing::dynamicPlan());
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            const auto context = ContextState::create(engine.plan, {.threads = 1});
            if (!context.ok()) {
                ++wrong;
                return;
            }
            ContextState& state = **context;
            std::vector<float> x(32, static_cast<float>(t + 1));
            std::vector<float> y(32);
            for (int i = 0; i < 50; ++i) {
                const int32_t profile = (i + t) % 2;
                const std::vector<int64_t> dims = {profile == 0 ? 1 + i % 4 : 4 + i % 13, 2};
                const bool ok = state.setProfile(profile).ok() && state.setInputShape(0, dims).ok() &&
                                state.setAddress(0, x.data()).ok() && state.setAddress(1, y.data()).ok() &&
                                state.enqueue(nullptr).ok();
                if (!ok || y[1] != static_cast<float>(2 * (t + 1) * dims[0])) {
                    ++wrong;
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace tenon::runtime
