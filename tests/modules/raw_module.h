// For test modules written against the C ABI itself, as somebody without our wrapper would: the table with good defaults,
// of which each bad module spoils one thing.
#pragma once

#include "tenon/module/abi.h"

#include <cstring>

#define RAW_EXPORT extern "C" __attribute__((visibility("default")))

inline TnString rawText(const char* text) { return {text, std::strlen(text)}; }

inline void rawSay(TnSink* reason, const char* text) { reason->write(reason->context, text, std::strlen(text)); }

inline TnCode rawInit(const TnHost*, const TnRegistrar*, void**, TnSink*) { return TN_OK; }
inline void rawShutdown(void*) {}

inline TnModule rawModule(const char* name) {
    TnModule table{};
    table.struct_size = sizeof(table);
    table.abi_major = TN_ABI_MAJOR;
    table.abi_minor = TN_ABI_MINOR;
    table.op_set = TN_OP_SET;
    table.name = rawText(name);
    table.version = rawText("1.0.0");
    table.sanitizer = rawText(TENON_MODULE_SANITIZER);
    table.init = rawInit;
    table.shutdown = rawShutdown;
    return table;
}

// A provider that takes nothing.
inline TnTacticProvider rawProvider(const char* name) {
    TnTacticProvider table{};
    table.struct_size = sizeof(table);
    table.name = rawText(name);
    table.version = rawText("1.0.0");
    table.supports = [](void*, const TnTarget*, const TnTask*, TnSink* reason) -> TnCode {
        rawSay(reason, "takes nothing");
        return TN_UNSUPPORTED;
    };
    table.enumerate = [](void*, const TnTarget*, const TnTask*, TnTacticSink*, TnSink*) -> TnCode { return TN_OK; };
    table.compile = [](void*, const TnTarget*, const TnTask*, const TnTactic*, const TnCancel*, TnBlobSink*,
                       TnSink* reason) -> TnCode {
        rawSay(reason, "nothing to compile");
        return TN_INTERNAL;
    };
    return table;
}
