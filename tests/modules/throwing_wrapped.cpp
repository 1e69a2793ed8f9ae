// Throws inside the wrapper, which turns it into a reason.
#include "tenon/module/module.hpp"

#include <stdexcept>

TENON_MODULE("throwing_wrapped", "1.0.0")
(const tenon::module::Host&, tenon::module::Registrar&, tenon::module::Reason&) {
    throw std::runtime_error("the configuration is unreadable");
}
