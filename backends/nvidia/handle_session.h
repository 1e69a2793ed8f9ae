// A session that is a library's handle: one per execution context, closed with it.
//
// Who uses it: the kernel runtimes of cublaslt and cudnn. What it must not know: which library.
#pragma once

#include "tenon/module/kernel.hpp"

#include <memory>
#include <string>

namespace tenon::nvidia {

template <class Handle>
class HandleSession final : public module::Session {
public:
    explicit HandleSession(std::shared_ptr<Handle> handle) : mHandle(std::move(handle)) {}
    const Handle& handle() const { return *mHandle; }

private:
    std::shared_ptr<Handle> mHandle;
};

// Null with the reason where the library or its device is missing.
template <class Handle, class Api>
std::unique_ptr<module::Session> openHandleSession(const std::shared_ptr<Api>& api, module::Reason& reason) {
    std::string error;
    std::shared_ptr<Handle> handle = Handle::open(api, error);
    if (handle == nullptr) {
        reason.environment(error);
        return nullptr;
    }
    return std::make_unique<HandleSession<Handle>>(std::move(handle));
}

} // namespace tenon::nvidia
