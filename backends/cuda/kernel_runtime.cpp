#include "backends/cuda/kernel_runtime.h"

#include "backends/cuda/cubin_cache.h"
#include "backends/cuda/excite_region.h"
#include "backends/cuda/provider.h"
#include "backends/cuda/stream.h"
#include "backends/cuda/task.h"

#include <cuda_runtime_api.h>

#include <map>
#include <mutex>

namespace tenon::cuda {

namespace {

// A cubin with its kernels; shared by all kernels of a process whose bytes are the same, loaded when the first state is made. The driver
// loads a library into every context that launches from it.
class Library {
public:
    explicit Library(std::vector<std::byte> cubin) : mCubin(std::move(cubin)) {}
    ~Library() {
        if (mLibrary != nullptr) {
            cudaLibraryUnload(mLibrary);
        }
    }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    // Null with the reason. Callable from several threads.
    cudaKernel_t kernel(const std::string& name, module::Reason& reason) {
        const std::lock_guard<std::mutex> lock(mMutex);
        if (mLibrary == nullptr) {
            const cudaError_t error =
                cudaLibraryLoadData(&mLibrary, mCubin.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
            if (error != cudaSuccess) {
                mLibrary = nullptr;
                reason.environment("the kernel's machine code cannot be loaded: ", cudaGetErrorString(error));
                return nullptr;
            }
        }
        cudaKernel_t& found = mKernels[name];
        if (found == nullptr) {
            const cudaError_t error = cudaLibraryGetKernel(&found, mLibrary, name.c_str());
            if (error != cudaSuccess) {
                found = nullptr;
                reason.invalidArgument("the machine code has no kernel '", name, "': ", cudaGetErrorString(error));
            }
        }
        return found;
    }

private:
    std::vector<std::byte> mCubin;
    std::mutex mMutex;
    cudaLibrary_t mLibrary = nullptr;
    std::map<std::string, cudaKernel_t> mKernels;
};

class CubinSession final : public module::Session {
public:
    explicit CubinSession(int device) : mDevice(device) {}
    int device() const { return mDevice; }

private:
    int mDevice;
};

class CubinState final : public module::State {
public:
    CubinState(const Task& task, std::shared_ptr<Library> library, int device)
        : mTask(task), mLibrary(std::move(library)), mDevice(device) {}

    module::Code prepare(const module::PrepareArgs& args, module::Reason& reason) override {
        mReady = false;
        const module::Code code = explained(reason, [&] { mPlan = planTask(mTask, shapesOfTask(mTask, args)); });
        if (code != module::Code::kOk) {
            return code;
        }
        mKernels.clear();
        for (const Launch& launch : mPlan.launches) {
            cudaKernel_t kernel = nullptr;
            if (!launch.kernel.empty()) {
                kernel = mLibrary != nullptr ? mLibrary->kernel(launch.kernel, reason) : nullptr;
                if (kernel == nullptr) {
                    return mLibrary != nullptr ? module::Code::kEnvironment
                                               : reason.invalidArgument("a plan that launches from no machine code");
                }
            }
            mKernels.push_back(kernel);
        }
        mReady = true;
        return module::Code::kOk;
    }

    module::Code launch(const module::LaunchArgs& args) override {
        module::Reason reason = args.reason();
        if (!mReady) {
            return reason.invalidArgument("launch before prepare");
        }
        const cudaStream_t stream = args.stream() != nullptr ? args.stream()->stream : nullptr;
        Ports ports{};
        for (size_t i = 0; i < mTask.inputs.size(); ++i) {
            ports.in[i] = args.inputs()[i];
        }
        for (size_t o = 0; o < mTask.outputs.size(); ++o) {
            ports.out[o] = args.outputs()[o];
        }
        ports.workspace = args.workspace();
        cudaError_t error = cudaSetDevice(mDevice);
        for (size_t l = 0; l < mPlan.launches.size() && error == cudaSuccess; ++l) {
            const Launch& launch = mPlan.launches[l];
            if (launch.kernel.empty()) {
                void* to = ports.out[launch.to];
                const void* from = ports.in[launch.from];
                error = to == from ? cudaSuccess
                                   : cudaMemcpyAsync(to, from, static_cast<size_t>(launch.bytes),
                                                     cudaMemcpyDeviceToDevice, stream);
                continue;
            }
            void* arguments[] = {const_cast<std::byte*>(launch.args.data()), &ports};
            error = cudaLaunchKernel(reinterpret_cast<const void*>(mKernels[l]), dim3(launch.grid[0], launch.grid[1]),
                                     dim3(launch.block), arguments, 0, stream);
        }
        return error == cudaSuccess ? module::Code::kOk
                                    : reason.internal("CUDA refuses the launch: ", cudaGetErrorString(error));
    }

private:
    const Task& mTask;
    std::shared_ptr<Library> mLibrary;
    int mDevice;
    DevicePlan mPlan;
    std::vector<cudaKernel_t> mKernels;
    bool mReady = false;
};

class CubinKernel final : public module::Kernel {
public:
    CubinKernel(module::OwnedGraph graph, Task task, std::shared_ptr<Library> library)
        : mGraph(std::move(graph)), mTask(std::move(task)), mLibrary(std::move(library)) {
        mTask.body = mGraph.graph();
    }
    const Task& task() const { return mTask; }
    int64_t workspace(module::Session&, const module::PrepareArgs& args, module::Reason& reason) const override {
        if (!isExciteRegion(mTask.body)) {
            return 0; // all others
        }
        int64_t bytes = -1;
        const module::Code code =
            explained(reason, [&] { bytes = planTask(mTask, shapesOfTask(mTask, args)).workspace; });
        return code == module::Code::kOk ? bytes : -1;
    }
    std::unique_ptr<module::State> makeState(module::Session& session, module::Reason&) const override {
        return std::make_unique<CubinState>(mTask, mLibrary, static_cast<CubinSession&>(session).device());
    }

private:
    module::OwnedGraph mGraph;
    Task mTask;
    std::shared_ptr<Library> mLibrary;
};

class CubinRuntime final : public module::KernelRuntime {
public:
    std::string name() const override { return std::string(kRuntimeName); }

    std::unique_ptr<module::Session> openSession(const module::SessionInfo& info, module::Reason& reason) override {
        const cudaError_t error = cudaSetDevice(info.device());
        if (error != cudaSuccess) {
            reason.environment("CUDA device ", info.device(), " cannot be used: ", cudaGetErrorString(error));
            return nullptr;
        }
        return std::make_unique<CubinSession>(info.device());
    }

    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t,
                                                module::Reason& reason) override {
        // What the machine code does with its arguments cannot be checked: at least it is what was compiled.
        uint64_t checksum = 0;
        if (blob.size() < sizeof checksum) {
            reason.invalidArgument("the kernel's bytes are cut off");
            return nullptr;
        }
        std::memcpy(&checksum, blob.data() + blob.size() - sizeof checksum, sizeof checksum);
        if (checksum != checksumOf(blob.first(blob.size() - sizeof checksum))) {
            reason.invalidArgument("the kernel's bytes are damaged: their checksum differs");
            return nullptr;
        }
        module::BlobReader in(blob, kTaskBlobVersion);
        Task task;
        task.tactic = in.u64();
        module::OwnedGraph graph = module::readGraph(in);
        task.body = graph.graph();
        for (size_t i = 0; i < task.body.inputs().size() && in.ok(); ++i) {
            task.inputs.push_back(in.port());
        }
        for (size_t i = 0; i < task.body.outputs().size() && in.ok(); ++i) {
            task.outputs.push_back(in.port());
        }
        in.i32(); // the compute capability, for people who look into plans
        const std::span<const std::byte> cubin = in.bytes();
        in.u64(); // the checksum
        if (!in.finish(reason)) {
            return nullptr;
        }
        std::shared_ptr<Library> library = cubin.empty() ? nullptr : libraryOf(cubin);
        auto kernel = std::make_unique<CubinKernel>(std::move(graph), std::move(task), std::move(library));
        const module::Code code = explained(reason, [&] { checkTask(kernel->task()); });
        return code == module::Code::kOk ? std::move(kernel) : nullptr;
    }

private:
    std::shared_ptr<Library> libraryOf(std::span<const std::byte> cubin) {
        const std::pair<uint64_t, size_t> key{checksumOf(cubin), cubin.size()};
        const std::lock_guard<std::mutex> lock(mMutex);
        std::weak_ptr<Library>& entry = mLibraries[key];
        std::shared_ptr<Library> library = entry.lock();
        if (library == nullptr) {
            library = std::make_shared<Library>(std::vector<std::byte>(cubin.begin(), cubin.end()));
            entry = library;
        }
        return library;
    }

    std::mutex mMutex;
    std::map<std::pair<uint64_t, size_t>, std::weak_ptr<Library>> mLibraries;
};

} // namespace

std::unique_ptr<module::KernelRuntime> makeKernelRuntime() { return std::make_unique<CubinRuntime>(); }

} // namespace tenon::cuda
