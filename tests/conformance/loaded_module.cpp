#include "tests/conformance/loaded_module.h"

#include "tenon/module/result.hpp"

#include <dlfcn.h>

namespace tenon::conformance {

const TnKernelRuntime* ModuleTables::runtime(const std::string& runtimeName) const {
    for (const TnKernelRuntime* each : runtimes) {
        if (module::view(each->name) == runtimeName) {
            return each;
        }
    }
    return nullptr;
}

namespace {

// What kernels are compiled for where there is no device.
constexpr const char* kRecordedCuda =
    "{\"backend\":\"cuda\",\"name\":\"NVIDIA "
    "H200\",\"sm\":90,\"multiprocessors\":132,\"memory\":150109880320,\"l2\":62914560}";

struct Text {
    std::string text;
    TnSink sink{this, [](void* context, const char* piece, size_t size) {
                    static_cast<Text*>(context)->text.append(piece, size);
                }};
};

DeviceTarget describeDevice(const TnBackend& backend) {
    DeviceTarget device;
    device.backend = &backend;
    device.name = std::string(module::view(backend.name));
    Text reason;
    if (backend.device_count(backend.self, &reason.sink) > 0) {
        Text json;
        Text fingerprint;
        if (backend.describe(backend.self, 0, &json.sink, &fingerprint.sink, &reason.sink) == TN_OK) {
            device.json = json.text;
            device.fingerprint = fingerprint.text;
            return device;
        }
    }
    device.absent = reason.text.empty() ? "no device, and the backend does not say why" : reason.text;
    device.json = kRecordedCuda;
    device.fingerprint = "recorded";
    return device;
}

} // namespace

std::unique_ptr<LoadedModule> LoadedModule::open(const std::string& path, std::string& error) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        error = dlerror();
        return nullptr;
    }
    const auto query = reinterpret_cast<TnModuleQuery>(dlsym(library, TN_MODULE_QUERY_SYMBOL));
    if (query == nullptr) {
        error = path + " exports no " TN_MODULE_QUERY_SYMBOL;
        return nullptr;
    }
    const std::string version = "conformance";
    const TnHostInfo info{sizeof(TnHostInfo), TN_ABI_MAJOR, TN_ABI_MINOR, TN_OP_SET, module::toTn(version)};
    std::unique_ptr<LoadedModule> loaded(new LoadedModule);
    const TnModule* opened = query(&info);
    if (opened == nullptr) {
        error = path + " finds this host too old";
        return nullptr;
    }
    loaded->mTables.name = std::string(module::view(opened->name));
    loaded->mHost.struct_size = sizeof(TnHost);
    loaded->mHost.log = [](void*, int32_t, TnString) {};
    TnRegistrar& registrar = loaded->mRegistrar;
    registrar.struct_size = sizeof(TnRegistrar);
    registrar.context = &loaded->mTables;
    registrar.add_provider = [](void* context, const TnTacticProvider* table) -> TnCode {
        static_cast<ModuleTables*>(context)->providers.push_back(table);
        return TN_OK;
    };
    registrar.add_kernel_runtime = [](void* context, const TnKernelRuntime* table) -> TnCode {
        static_cast<ModuleTables*>(context)->runtimes.push_back(table);
        return TN_OK;
    };
    registrar.add_backend = [](void* context, const TnBackend* table) -> TnCode {
        static_cast<ModuleTables*>(context)->device.backend = table;
        return TN_OK;
    };
    registrar.add_op = [](void*, const TnOpDef*) -> TnCode { return TN_OK; };
    registrar.add_parser = [](void*, const TnParser*) -> TnCode { return TN_OK; };
    registrar.add_onnx_importer = [](void*, const TnOnnxImporter*) -> TnCode { return TN_OK; };
    registrar.add_plugin_creator = [](void*, const TnPluginCreator*) -> TnCode { return TN_OK; };
    TnSink sink{&error, [](void* context, const char* text, size_t size) {
                    static_cast<std::string*>(context)->append(text, size);
                }};
    if (opened->init(&loaded->mHost, &registrar, &loaded->mSelf, &sink) != TN_OK) {
        error = path + " does not initialise: " + error;
        return nullptr;
    }
    loaded->mModule = opened;
    if (const TnBackend* backend = loaded->mTables.device.backend; backend != nullptr) {
        loaded->mTables.device = describeDevice(*backend);
    }
    return loaded;
}

LoadedModule::~LoadedModule() {
    if (mModule != nullptr && mModule->shutdown != nullptr) {
        mModule->shutdown(mSelf);
    }
}

} // namespace tenon::conformance
