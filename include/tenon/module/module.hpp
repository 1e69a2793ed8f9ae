// The module SDK: write plain classes, register them, done. This header is all that a module includes.
// Used by module authors. It is header-only over abi.h, adds no ABI of its own, and must not know any core header: a
// module links nothing of Tenon.
//
//   #include "tenon/module/module.hpp"
//
//   TENON_MODULE("mine", "1.0.0")(const tenon::module::Host& host, tenon::module::Registrar& registrar,
//                                 tenon::module::Reason& reason) {
//       if (!libraryIsThere()) {
//           return reason.environment("libmine.so.3 is missing: install the package libmine3");
//       }
//       registrar.addProvider(std::make_unique<MyProvider>());
//       registrar.addKernelRuntime(std::make_unique<MyRuntime>());
//       return tenon::module::Code::kOk;
//   }
//
// What is registered lives until the module is shut down, and is destroyed in reverse order. Exceptions stop at the
// boundary. A module must have no global object with a destructor that calls the host.
#pragma once

#include "tenon/module/backend.hpp"
#include "tenon/module/kernel.hpp"
#include "tenon/module/op_definition.hpp"
#include "tenon/module/provider.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace nvinfer1 {
class IPluginCreatorInterface;
}
namespace nvonnxparser {
class IOnnxNodeImporter;
class IParser;
} // namespace nvonnxparser

namespace tenon::module {

/// The host, as long as the module is initialised. A small value: keep a copy in your objects, never in a global.
/// Callable from any thread.
class Host {
public:
    explicit Host(const TnHost* host) noexcept : mHost(host) {}

    template <class... Pieces>
    void error(const Pieces&... pieces) const {
        log(TN_LOG_ERROR, text(pieces...));
    }
    template <class... Pieces>
    void warning(const Pieces&... pieces) const {
        log(TN_LOG_WARNING, text(pieces...));
    }
    template <class... Pieces>
    void info(const Pieces&... pieces) const {
        log(TN_LOG_INFO, text(pieces...));
    }
    template <class... Pieces>
    void verbose(const Pieces&... pieces) const {
        log(TN_LOG_VERBOSE, text(pieces...));
    }
    void log(TnSeverity severity, std::string_view line) const noexcept {
        if (mHost->log != nullptr) {
            mHost->log(mHost->context, severity, toTn(line));
        }
    }
    /// An optional host table ("tenon.importers/1"); null where this host has none.
    template <class Table>
    const Table* extension(std::string_view name) const noexcept {
        return static_cast<const Table*>(
            mHost->get_extension != nullptr ? mHost->get_extension(mHost->context, toTn(name)) : nullptr);
    }

private:
    const TnHost* mHost;
};

/// Stages what a module offers. Nothing is visible before the module's function has returned kOk and the host has
/// checked every table; after the first failure the rest is skipped and the module is refused.
class Registrar {
public:
    /// Keeps an object until shutdown, without registering it.
    template <class T>
    T& keep(std::unique_ptr<T> object) {
        T& kept = *object;
        mKept->push_back(std::shared_ptr<void>(std::move(object)));
        return kept;
    }

    void addProvider(std::unique_ptr<const Provider> provider) {
        add(mRegistrar->add_provider, keep(std::make_unique<detail::ProviderTable>(std::move(provider))).table());
    }
    /// StateType: the one final class that all states of this runtime are, if there is one; launch then is a direct call.
    template <class StateType = State>
    void addKernelRuntime(std::unique_ptr<KernelRuntime> runtime) {
        add(mRegistrar->add_kernel_runtime,
            keep(std::make_unique<detail::KernelRuntimeTable<StateType>>(std::move(runtime))).table());
    }
    void addBackend(std::unique_ptr<Backend> backend) {
        add(mRegistrar->add_backend, keep(std::make_unique<detail::BackendTable>(std::move(backend))).table());
    }
    void addOp(std::unique_ptr<const OpDefinition> definition) {
        add(mRegistrar->add_op, keep(std::make_unique<detail::OpTable>(std::move(definition))).table());
    }
    /// `create` is given an nvinfer1::INetworkDefinition and an nvinfer1::ILogger and returns a new parser that its user
    /// deletes.
    void addParser(std::string format, std::function<nvonnxparser::IParser*(void* network, void* logger)> create) {
        auto& entry = keep(std::make_unique<ParserEntry>());
        entry.format = std::move(format);
        entry.create = std::move(create);
        entry.table.struct_size = sizeof(entry.table);
        entry.table.format = toTn(entry.format);
        entry.table.self = &entry;
        entry.table.create = [](void* self, void* network, void* logger) -> void* {
            void* parser = nullptr;
            detail::guarded(nullptr, [&](Reason&) {
                parser = static_cast<ParserEntry*>(self)->create(network, logger);
                return Code::kOk;
            });
            return parser;
        };
        add(mRegistrar->add_parser, entry.table);
    }
    /// Opsets `since` to `until` (0: no end). The highest rank wins; built-in importers have rank 0. The importer must
    /// live until shutdown: a static without destructor, or kept with `keep`.
    void addOnnxImporter(std::string domain, std::string op, int32_t since, int32_t until, int32_t rank,
                         nvonnxparser::IOnnxNodeImporter* importer) {
        auto& entry = keep(std::make_unique<ImporterEntry>());
        entry.domain = std::move(domain);
        entry.op = std::move(op);
        entry.table = {sizeof(entry.table), since, until, rank, toTn(entry.domain), toTn(entry.op), importer};
        add(mRegistrar->add_onnx_importer, entry.table);
    }
    /// The creator must live until shutdown.
    void addPluginCreator(std::string pluginNamespace, nvinfer1::IPluginCreatorInterface* creator) {
        auto& entry = keep(std::make_unique<CreatorEntry>());
        entry.pluginNamespace = std::move(pluginNamespace);
        entry.table = {sizeof(entry.table), 0, toTn(entry.pluginNamespace), creator};
        add(mRegistrar->add_plugin_creator, entry.table);
    }

    /// The outcome of the calls so far.
    Code status() const noexcept { return mStatus; }

    /// For the boundary code below.
    Registrar(const TnRegistrar* registrar, std::vector<std::shared_ptr<void>>* kept) noexcept
        : mRegistrar(registrar), mKept(kept) {}

private:
    struct ParserEntry {
        std::string format;
        std::function<nvonnxparser::IParser*(void*, void*)> create;
        TnParser table{};
    };
    struct ImporterEntry {
        std::string domain;
        std::string op;
        TnOnnxImporter table{};
    };
    struct CreatorEntry {
        std::string pluginNamespace;
        TnPluginCreator table{};
    };

    template <class Table>
    void add(TnCode (*function)(void*, const Table*), const Table& table) {
        if (mStatus == Code::kOk) {
            mStatus = static_cast<Code>(function(mRegistrar->context, &table));
        }
    }

    const TnRegistrar* mRegistrar;
    std::vector<std::shared_ptr<void>>* mKept;
    Code mStatus = Code::kOk;
};

namespace detail {

/// What `init` leaves for `shutdown`.
struct ModuleInstance {
    std::vector<std::shared_ptr<void>> kept;
    ~ModuleInstance() {
        while (!kept.empty()) {
            kept.pop_back();
        }
    }
};

template <Code (*initialize)(const Host&, Registrar&, Reason&)>
TnCode initModule(const TnHost* host, const TnRegistrar* registrar, void** self, TnSink* sink) noexcept {
    return guarded(sink, [&](Reason& reason) {
        auto instance = std::make_unique<ModuleInstance>();
        Registrar staging(registrar, &instance->kept);
        Code code = initialize(Host(host), staging, reason);
        if (code == Code::kOk && staging.status() != Code::kOk) {
            code = reason.fail(staging.status(), "the host refused a registration");
        }
        if (code == Code::kOk) {
            *self = instance.release();
        }
        return code;
    });
}

inline void shutdownModule(void* self) noexcept { delete static_cast<ModuleInstance*>(self); }

// The build sets both, and the manifest has the same ones; without the build system the compiler says what it does.
#ifndef TENON_MODULE_SANITIZER
#if defined(__SANITIZE_ADDRESS__)
#define TENON_MODULE_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define TENON_MODULE_SANITIZER "thread"
#else
#define TENON_MODULE_SANITIZER ""
#endif
#endif
#ifndef TENON_MODULE_BUILD_ID
#define TENON_MODULE_BUILD_ID ""
#endif

constexpr TnString literal(std::string_view text) noexcept { return {text.data(), text.size()}; }

} // namespace detail
} // namespace tenon::module

/// Exports the module's one symbol; the body of its init function follows (see the top of this file). `name` and
/// `version` are string literals and agree with the manifest.
#define TENON_MODULE(name, version)                                                                                    \
    static ::tenon::module::Code tenonModuleInitialize(const ::tenon::module::Host&, ::tenon::module::Registrar&,      \
                                                       ::tenon::module::Reason&);                                      \
    extern "C" __attribute__((visibility("default"))) const TnModule* tenon_module_query_v1(const TnHostInfo*);        \
    extern "C" const TnModule* tenon_module_query_v1(const TnHostInfo*) {                                              \
        static constexpr TnModule kModule = {sizeof(TnModule),                                                         \
                                             TN_ABI_MAJOR,                                                             \
                                             TN_ABI_MINOR,                                                             \
                                             TN_OP_SET,                                                                \
                                             ::tenon::module::detail::literal(name),                                   \
                                             ::tenon::module::detail::literal(version),                                \
                                             ::tenon::module::detail::literal(TENON_MODULE_SANITIZER),                 \
                                             ::tenon::module::detail::literal(TENON_MODULE_BUILD_ID),                  \
                                             &::tenon::module::detail::initModule<&tenonModuleInitialize>,             \
                                             &::tenon::module::detail::shutdownModule};                                \
        return &kModule;                                                                                               \
    }                                                                                                                  \
    static ::tenon::module::Code tenonModuleInitialize
