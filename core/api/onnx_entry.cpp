// createParser: finds the ONNX parser among the loaded modules.
#include "core/api/network.h"
#include "core/api/reporter.h"
#include "registry/module_registry.h"
#include "tenon/onnx_parser.h"

extern "C" void* tenon_createOnnxParser(void* network, void* logger, int) noexcept {
    using nvinfer1::ErrorCode;
    if (network == nullptr || logger == nullptr) {
        return nullptr;
    }
    auto& sink = *static_cast<nvinfer1::ILogger*>(logger);
    const tenon::api::Reporter reporter(sink);
    return tenon::api::guarded(reporter, static_cast<void*>(nullptr), [&]() -> void* {
        auto& modules = tenon::registry::ModuleRegistry::process();
        const auto snapshot = modules.snapshot(tenon::registry::Purpose::kBuild);
        const tenon::registry::ParserEntry* parser = snapshot->parser("onnx");
        if (parser == nullptr) {
            std::string why = "createParser: no module brings an ONNX parser";
            bool found = false;
            for (const tenon::registry::ModuleReport& report : modules.report()) {
                if (report.name == "onnx" || report.path.find("onnx") != std::string::npos) {
                    why += tenon::support::cat("; ", report.path, ": ", report.reason, "; ", report.remedy);
                    found = true;
                }
            }
            reporter.error(ErrorCode::kFAILED_INITIALIZATION,
                           found ? why : why + "; put libtenon_onnx.so and its manifest on TENON_MODULE_PATH");
            return nullptr;
        }
        void* made = parser->table.create(parser->table.self, network, logger);
        if (made == nullptr) {
            reporter.error(ErrorCode::kFAILED_INITIALIZATION,
                           tenon::support::cat("createParser: module '", parser->origin.module, "' made no parser"));
        }
        return made;
    });
}

extern "C" void* tenon_createOnnxParserRefitter(void*, void* logger, int32_t) noexcept {
    if (logger != nullptr) {
        const tenon::api::Reporter reporter(*static_cast<nvinfer1::ILogger*>(logger));
        reporter.error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE,
                       "createParserRefitter: engines cannot be refitted; build the engine again with the new model");
    }
    return nullptr;
}

extern "C" int tenon_getOnnxParserVersion() noexcept { return NV_ONNX_PARSER_VERSION; }
