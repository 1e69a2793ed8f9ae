// The run side: from bytes to a kernel, from a kernel and shapes to a state that can be launched.
#pragma once

#include "backends/null/null_blob.h"
#include "tenon/module/module.hpp"

#include <memory>

namespace tenon::null_backend {

/// A kernel prepared for shapes. Final, so that the launch is a direct call (see Registrar::addKernelRuntime).
class CopyState final : public module::State {
public:
    explicit CopyState(const CopyBlob& kernel) : mKernel(kernel) {}
    module::Code prepare(const module::PrepareArgs& args, module::Reason& reason) override;
    module::Code launch(const module::LaunchArgs& args) override;

private:
    CopyBlob mKernel;
    size_t mBytes = 0;
};

std::unique_ptr<module::KernelRuntime> makeNullRuntime();

} // namespace tenon::null_backend
