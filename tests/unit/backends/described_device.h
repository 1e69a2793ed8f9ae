// A module for a device, tested on a machine that has none: the device is a description, its library may be an empty file.
//
// Who uses it: the tests of cublaslt and cudnn. What it must not know: what the module computes.
#pragma once

#include "tests/conformance/case_reader.h"
#include "tests/conformance/task_runner.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace tenon::conformance {

// TENON_MODULE_LIBRARY is the module under test.
class DescribedDevice : public testing::Test {
protected:
    // `variable` names the folder where the module looks for the library `file`.
    DescribedDevice(const char* variable, std::string file) : mVariable(variable), mFile(std::move(file)) {}

    void load(const std::string& folder) {
        setenv(mVariable, folder.c_str(), 1);
        std::string error;
        mModule = LoadedModule::open(TENON_MODULE_LIBRARY, error);
        ASSERT_NE(mModule, nullptr) << error;
        mTables = mModule->tables();
        ASSERT_EQ(mTables.providers.size(), 1U);
        ASSERT_EQ(mTables.runtimes.size(), 1U);
        // As the backend cuda describes an H200.
        mTables.device.name = "cuda";
        mTables.device.fingerprint = "H200";
        mTables.device.json =
            R"({"backend":"cuda","name":"NVIDIA H200","sm":90,"multiprocessors":132,"memory":150122135552,"l2":62914560,)"
            R"("shared_per_block":232448,"registers_per_multiprocessor":65536,"threads_per_multiprocessor":2048,)"
            R"("clock_khz":1980000,"memory_clock_khz":3201000,"driver":13000})";
    }
    // An empty file of the library's name is enough for what does not open it.
    void loadWithEmptyLibrary() {
        std::filesystem::create_directories(mFolder);
        std::ofstream(mFolder + "/" + mFile) << "no library";
        load(mFolder);
    }
    void TearDown() override {
        unsetenv(mVariable);
        std::filesystem::remove_all(mFolder);
    }
    // What the module says where its library is nowhere.
    std::string errorWithoutLibrary() const {
        setenv(mVariable, "/nowhere", 1);
        std::string error;
        EXPECT_EQ(LoadedModule::open(TENON_MODULE_LIBRARY, error), nullptr);
        return error;
    }

    const ModuleTables& tables() const { return mTables; }
    const TnTacticProvider& provider() const { return *mTables.providers[0]; }
    const TnKernelRuntime& runtime() const { return *mTables.runtimes[0]; }

    // `line` as in the conformance table. Valid until the next call.
    const TnTask& task(const std::string& line, bool dynamic = false, uint64_t computeTypes = 1) {
        mCases = parseCases(line, "test");
        EXPECT_TRUE(mCases.error.empty()) << mCases.error;
        mData.clear();
        for (size_t i = 0; i < mCases.cases.at(0).inputs.size(); ++i) {
            mData.push_back(fillInput(mCases.cases[0], i));
        }
        mTask = std::make_unique<BuiltTask>();
        buildTask(mCases.cases[0], mData, dynamic, *mTask);
        mTask->task.compute_types = computeTypes;
        return mTask->task;
    }

    // Empty where the device's task is supported.
    std::string refusal(const std::string& line) { return refusalOn(mTables, line); }
    std::string refusalOnHost(const std::string& line) { return refusalOn(mModule->tables(), line); }

    std::vector<KeptTactic> tactics(const TnTask& of) const {
        Refusal refused;
        std::vector<KeptTactic> found = tacticsOf(mTables, of, 1, refused);
        EXPECT_FALSE(found.empty()) << refused.reason;
        return found;
    }
    // Empty bytes where nothing can be compiled without a device; `why` says so.
    CompiledBlob compile(const TnTask& of, const KeptTactic& tactic, std::string& why) const {
        CompiledBlob blob;
        const Refusal refused = compileTactic(mTables, of, tactic, 1, blob);
        EXPECT_TRUE(refused.code == TN_OK || (refused.code == TN_ENVIRONMENT && !refused.reason.empty()))
            << refused.code << refused.reason;
        why = refused.reason;
        return blob;
    }
    TnCode read(std::vector<std::byte> bytes, std::string& reason, uint32_t version = 1) const {
        return readKernel(mTables, {std::string(module::view(runtime().name)), version, std::move(bytes)}, reason);
    }

    // Cut off: refused with a reason.
    void expectCutBytesRefused(const CompiledBlob& blob, size_t step) const {
        for (size_t size = 0; size < blob.bytes.size(); size += step) {
            std::string reason;
            EXPECT_NE(read({blob.bytes.begin(), blob.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, reason,
                           blob.version),
                      TN_OK);
            EXPECT_NE(reason, "") << size;
        }
    }

private:
    std::string refusalOn(const ModuleTables& on, const std::string& line) {
        Refusal reason = supportOf(on, task(line));
        EXPECT_TRUE(reason.code == TN_OK || (reason.code == TN_UNSUPPORTED && !reason.reason.empty()))
            << reason.code << reason.reason;
        return reason.reason;
    }

    const char* mVariable;
    const std::string mFile;
    const std::string mFolder = testing::TempDir() + "tenon-described-device-" + std::to_string(getpid());
    std::unique_ptr<LoadedModule> mModule;
    ModuleTables mTables;
    CaseFile mCases;
    std::vector<std::vector<std::byte>> mData;
    std::unique_ptr<BuiltTask> mTask;
};

} // namespace tenon::conformance
