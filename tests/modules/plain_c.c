/* A module in plain C: the ABI needs nothing of C++. */
#include "tenon/module/abi.h"

#include <string.h>

static TnString text(const char* from) {
    TnString out;
    out.data = from;
    out.size = strlen(from);
    return out;
}

static TnCode supports(void* self, const TnTarget* target, const TnTask* task, TnSink* reason) {
    (void)self;
    (void)target;
    (void)task;
    reason->write(reason->context, "C takes nothing", 15);
    return TN_UNSUPPORTED;
}

static TnCode enumerate(void* self, const TnTarget* target, const TnTask* task, TnTacticSink* tactics, TnSink* reason) {
    (void)self;
    (void)target;
    (void)task;
    (void)tactics;
    (void)reason;
    return TN_OK;
}

static TnCode compile(void* self, const TnTarget* target, const TnTask* task, const TnTactic* tactic,
                      const TnCancel* cancel, TnBlobSink* blob, TnSink* reason) {
    (void)self;
    (void)target;
    (void)task;
    (void)tactic;
    (void)cancel;
    (void)blob;
    (void)reason;
    return TN_INTERNAL;
}

static TnTacticProvider provider;
static TnModule module;

static TnCode init(const TnHost* host, const TnRegistrar* registrar, void** self, TnSink* reason) {
    (void)host;
    (void)self;
    (void)reason;
    provider.struct_size = sizeof(provider);
    provider.name = text("plain_c");
    provider.version = text("1.0.0");
    provider.supports = supports;
    provider.enumerate = enumerate;
    provider.compile = compile;
    return registrar->add_provider(registrar->context, &provider);
}

static void leave(void* self) { (void)self; }

__attribute__((visibility("default"))) const TnModule* tenon_module_query_v1(const TnHostInfo* host);
const TnModule* tenon_module_query_v1(const TnHostInfo* host) {
    if (host->abi_major != TN_ABI_MAJOR) {
        return NULL;
    }
    module.struct_size = sizeof(module);
    module.abi_major = TN_ABI_MAJOR;
    module.abi_minor = TN_ABI_MINOR;
    module.op_set = TN_OP_SET;
    module.name = text("plain_c");
    module.version = text("1.0.0");
    module.sanitizer = text(TENON_MODULE_SANITIZER);
    module.init = init;
    module.shutdown = leave;
    return &module;
}
