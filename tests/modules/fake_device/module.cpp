// The test module `fakegpu`: an asynchronous backend without hardware, and kernels for it.
#include "tests/modules/fake_device/device.h"
#include "tests/modules/fake_device/kernels.h"

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    registrar.addBackend(tenon::fake::makeBackend());
    registrar.addProvider(tenon::fake::makeProvider());
    registrar.addKernelRuntime(tenon::fake::makeRuntime());
    return tenon::module::Code::kOk;
}
