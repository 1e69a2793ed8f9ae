#include <tenon/module/module.hpp>

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host& host, tenon::module::Registrar&, tenon::module::Reason&) {
    host.verbose("a module that was built elsewhere");
    return tenon::module::Code::kOk;
}
