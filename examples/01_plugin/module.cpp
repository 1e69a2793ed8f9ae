// The same creators, brought by a module that is found at start.
#include "plugins.h"

#include "tenon/module/module.hpp"

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host&, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    registrar.addPluginCreator("", &gainCreator());
    registrar.addPluginCreator("", &rowSumCreator());
    return tenon::module::Code::kOk;
}
