#include "backends/null/null_runtime.h"

#include <cstring>

namespace tenon::null_backend {

using module::BlobReader;
using module::Code;
using module::LaunchArgs;
using module::PrepareArgs;
using module::Reason;

// All lazy work belongs here: buffers, descriptors, choosing by size. It is called again when shapes change.
Code CopyState::prepare(const PrepareArgs& args, Reason& reason) {
    const TnTensor& from = args.input(0);
    const TnTensor& to = args.output(0);
    if (from.dtype != mKernel.dtype || from.bytes != to.bytes) {
        return reason.invalidArgument("the tensors are not those that this kernel was compiled for");
    }
    mBytes = static_cast<size_t>(from.bytes);
    return Code::kOk;
}

// No allocation, no lock, no waiting.
Code CopyState::launch(const LaunchArgs& args) {
    if (args.output(0) != args.input(0) && mBytes > 0) {
        std::memcpy(args.output(0), args.input(0), mBytes);
    }
    return Code::kOk;
}

namespace {

// Immutable and shared by all contexts of a plan. It owns no weights: constants are inputs of the launch.
class CopyKernel final : public module::Kernel {
public:
    explicit CopyKernel(const CopyBlob& kernel) : mKernel(kernel) {}
    // Scratch memory comes from the host: say how much, by overriding `workspace`.
    std::unique_ptr<module::State> makeState(module::Session&, Reason&) const override {
        return std::make_unique<CopyState>(mKernel);
    }

private:
    CopyBlob mKernel;
};

class NullRuntime final : public module::KernelRuntime {
public:
    std::string name() const override { return std::string(kRuntimeName); }
    uint32_t blobMin() const override { return kBlobVersion; }
    uint32_t blobMax() const override { return kBlobVersion; }

    // Bytes come from a file: anything may be in them.
    std::unique_ptr<module::Kernel> deserialize(std::span<const std::byte> blob, uint32_t, Reason& reason) override {
        BlobReader in(blob, kBlobVersion);
        CopyBlob kernel;
        kernel.read(in);
        return in.finish(reason) ? std::make_unique<CopyKernel>(kernel) : nullptr;
    }
};

} // namespace

std::unique_ptr<module::KernelRuntime> makeNullRuntime() { return std::make_unique<NullRuntime>(); }

} // namespace tenon::null_backend
