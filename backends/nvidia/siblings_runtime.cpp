#include "backends/common/task_kernel.h"
#include "backends/cuda/stream.h"
#include "backends/nvidia/branches.h"
#include "backends/nvidia/siblings.h"

#include <algorithm>
#include <set>

namespace tenon::nvidia {

using kernels::explained;
using kernels::invalid;
using module::Code;

namespace {

struct PartKernel {
    std::unique_ptr<module::Kernel> kernel;
    std::vector<int32_t> inputs; // ports of the whole
    std::vector<int32_t> outputs;
};

// What a part is prepared with.
class PartArgs {
public:
    PartArgs(const module::PrepareArgs& whole, const PartKernel& part) {
        const auto pick = [](const std::vector<int32_t>& ports, const module::StridedRange<TnTensor>& from,
                             std::vector<TnTensor>& to) {
            for (const int32_t port : ports) {
                if (static_cast<size_t>(port) >= from.size()) {
                    invalid("prepare with ", from.size(), " tensors for siblings that have more");
                }
                to.push_back(from[static_cast<size_t>(port)]);
            }
        };
        pick(part.inputs, whole.inputs(), mInputs);
        pick(part.outputs, whole.outputs(), mOutputs);
        mArgs.struct_size = sizeof(mArgs);
        mArgs.input_count = static_cast<int64_t>(mInputs.size());
        mArgs.output_count = static_cast<int64_t>(mOutputs.size());
        mArgs.tensor_stride = sizeof(TnTensor);
        mArgs.inputs = mInputs.data();
        mArgs.outputs = mOutputs.data();
        mArgs.scalars = whole.scalars().data();
        mArgs.scalar_count = static_cast<int64_t>(whole.scalars().size());
    }
    PartArgs(const PartArgs&) = delete;
    PartArgs& operator=(const PartArgs&) = delete;
    module::PrepareArgs view() const { return module::PrepareArgs(&mArgs); }

private:
    std::vector<TnTensor> mInputs;
    std::vector<TnTensor> mOutputs;
    TnPrepareArgs mArgs{};
};

// Parts run at once, each with a workspace of its own. Negative: an error.
int64_t workspaceOf(const PartKernel& part, module::Session& session, const module::PrepareArgs& args,
                    module::Reason& reason) {
    const int64_t bytes = part.kernel->workspace(session, args, reason);
    return bytes < 0 ? bytes : (bytes + 255) / 256 * 256;
}

class SiblingsState final : public module::State {
public:
    SiblingsState(const std::vector<PartKernel>& parts, module::Session& session) : mParts(parts), mSession(session) {}

    // False with the reason.
    bool makeStates(module::Reason& reason) {
        for (const PartKernel& part : mParts) {
            std::unique_ptr<module::State> state = part.kernel->makeState(mSession, reason);
            if (state == nullptr) {
                return false;
            }
            mStates.push_back({std::move(state), std::vector<const void*>(part.inputs.size()),
                               std::vector<void*>(part.outputs.size()), 0});
        }
        return true;
    }

    Code prepare(const module::PrepareArgs& args, module::Reason& reason) override {
        mPrepared = false;
        Code code = Code::kOk;
        const Code own = explained(reason, [&] {
            int64_t offset = 0;
            for (size_t p = 0; p < mParts.size() && code == Code::kOk; ++p) {
                const PartArgs part(args, mParts[p]);
                mStates[p].workspace = offset;
                const int64_t bytes = workspaceOf(mParts[p], mSession, part.view(), reason);
                offset += std::max<int64_t>(bytes, 0);
                code = bytes < 0 ? Code::kInternal : mStates[p].state->prepare(part.view(), reason);
            }
            std::string error;
            if (mBranches.size() < mParts.size() - 1 && !mBranches.create(mParts.size() - 1, error)) {
                throw kernels::Failure(Code::kEnvironment, error);
            }
            mPrepared = code == Code::kOk;
        });
        return own == Code::kOk ? code : own;
    }

    Code launch(const module::LaunchArgs& args) override {
        module::Reason reason = args.reason();
        if (!mPrepared || args.stream() == nullptr) {
            return reason.invalidArgument(mPrepared ? "launch without a CUDA stream" : "launch before prepare");
        }
        const cudaStream_t stream = args.stream()->stream;
        if (!mBranches.fork(stream)) {
            return reason.internal("the driver does not fork a stream");
        }
        Code code = Code::kOk;
        for (size_t p = 0; p < mParts.size() && code == Code::kOk; ++p) {
            code = launchPart(p, args, p == 0 ? stream : mBranches.stream(p - 1));
        }
        // Also after a failure: a recording with open branches could not be ended.
        const bool joined = mBranches.join(stream);
        return code == Code::kOk && !joined ? reason.internal("the driver does not join streams") : code;
    }

private:
    struct PartState {
        std::unique_ptr<module::State> state;
        std::vector<const void*> inputs;
        std::vector<void*> outputs;
        int64_t workspace = 0; // where its own begins
    };

    Code launchPart(size_t p, const module::LaunchArgs& whole, cudaStream_t stream) {
        const PartKernel& part = mParts[p];
        PartState& own = mStates[p];
        for (size_t i = 0; i < part.inputs.size(); ++i) {
            own.inputs[i] = whole.input(part.inputs[i]);
        }
        for (size_t o = 0; o < part.outputs.size(); ++o) {
            own.outputs[o] = whole.output(part.outputs[o]);
        }
        TnStream branch{stream};
        TnLaunchArgs args{};
        args.struct_size = sizeof(args);
        args.inputs = own.inputs.data();
        args.outputs = own.outputs.data();
        args.workspace =
            whole.workspace() == nullptr ? nullptr : static_cast<std::byte*>(whole.workspace()) + own.workspace;
        args.stream = &branch;
        args.reason = whole.reason().sink();
        return own.state->launch(module::LaunchArgs(&args));
    }

    const std::vector<PartKernel>& mParts;
    module::Session& mSession;
    std::vector<PartState> mStates;
    Branches mBranches;
    bool mPrepared = false;
};

class SiblingsKernel final : public module::Kernel {
public:
    explicit SiblingsKernel(std::vector<PartKernel> parts) : mParts(std::move(parts)) {}

    int64_t workspace(module::Session& session, const module::PrepareArgs& args,
                      module::Reason& reason) const override {
        int64_t sum = 0;
        const Code code = explained(reason, [&] {
            for (const PartKernel& part : mParts) {
                const int64_t bytes = workspaceOf(part, session, PartArgs(args, part).view(), reason);
                sum = bytes < 0 || sum < 0 ? -1 : sum + bytes;
            }
        });
        return code == Code::kOk ? sum : -1;
    }
    std::unique_ptr<module::State> makeState(module::Session& session, module::Reason& reason) const override {
        auto state = std::make_unique<SiblingsState>(mParts, session);
        return state->makeStates(reason) ? std::move(state) : nullptr;
    }

private:
    std::vector<PartKernel> mParts;
};

class SiblingsRuntime final : public module::KernelRuntime {
public:
    explicit SiblingsRuntime(std::unique_ptr<module::KernelRuntime> inner) : mInner(std::move(inner)) {}

    std::string name() const override { return mInner->name(); }
    uint32_t blobMin() const override { return mInner->blobMin(); }
    uint32_t blobMax() const override { return kSiblingsVersion; }

    std::unique_ptr<module::Session> openSession(const module::SessionInfo& info, module::Reason& reason) override {
        return mInner->openSession(info, reason);
    }

    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t version,
                                                module::Reason& reason) override {
        if (version != kSiblingsVersion) {
            return mInner->deserialize(blob, version, reason);
        }
        module::BlobReader in(blob, kSiblingsVersion);
        std::vector<PartKernel> parts(in.count(sizeof(uint64_t)));
        in.require(parts.size() >= 2, "it has fewer than two parts");
        std::set<int32_t> written;
        for (PartKernel& part : parts) {
            const uint32_t own = in.u32();
            const std::span<const std::byte> bytes = in.bytes();
            part.inputs = in.array<int32_t>();
            part.outputs = in.array<int32_t>();
            const auto isPort = [](int32_t port) { return port >= 0 && port < kMostPorts; };
            const auto isOwn = [&](int32_t port) { return isPort(port) && written.insert(port).second; };
            in.require(std::all_of(part.inputs.begin(), part.inputs.end(), isPort) &&
                           std::all_of(part.outputs.begin(), part.outputs.end(), isOwn),
                       "a part has impossible ports");
            in.require(own >= mInner->blobMin() && own <= mInner->blobMax(), "a part has bytes of another version");
            if (!in.ok()) {
                break;
            }
            part.kernel = mInner->deserialize(bytes, own, reason);
            if (part.kernel == nullptr) {
                return nullptr;
            }
        }
        return in.finish(reason) ? std::make_unique<SiblingsKernel>(std::move(parts)) : nullptr;
    }

private:
    static constexpr int32_t kMostPorts = 4096;

    std::unique_ptr<module::KernelRuntime> mInner;
};

} // namespace

std::unique_ptr<module::KernelRuntime> withSiblings(std::unique_ptr<module::KernelRuntime> inner) {
    return std::make_unique<SiblingsRuntime>(std::move(inner));
}

} // namespace tenon::nvidia
