// The module's entry: what it needs from the machine, and what it registers.
#include "tenon/module/module.hpp"
#include "backends/null/null_provider.h"
#include "backends/null/null_runtime.h"

using tenon::module::Code;

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host& host, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    // A backend over a library opens it here, and where it is missing says so:
    //   return reason.environment("libfast.so.2 is missing: install the package libfast2");
    host.verbose("the null backend is the template for new ones and computes nothing");
    registrar.addProvider(tenon::null_backend::makeNullProvider());
    registrar.addKernelRuntime<tenon::null_backend::CopyState>(tenon::null_backend::makeNullRuntime());
    return Code::kOk;
}
