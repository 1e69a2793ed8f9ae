// The module `cuda`: the backend, the provider of generated kernels, and the runtime that runs their cubins.
#include "tenon/module/module.hpp"

#include "backends/cuda/backend.h"
#include "backends/cuda/kernel_runtime.h"
#include "backends/cuda/provider.h"

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    registrar.addBackend(tenon::cuda::makeBackend());
    registrar.addProvider(tenon::cuda::makeProvider());
    registrar.addKernelRuntime(tenon::cuda::makeKernelRuntime());
    return tenon::module::Code::kOk;
}
