// The module "onnx": registers the parser.
#include "parsers/onnx/onnx_parser.h"

namespace {

using tenon::onnx::ForeignImporter;

// What modules registered with the host, for one parser.
std::vector<ForeignImporter> moduleImporters(const tenon::module::Host& host) {
    std::vector<ForeignImporter> importers;
    const auto* list = host.extension<TnImporterList>("tenon.importers/1");
    if (!list) {
        return importers;
    }
    list->visit(list->context, &importers, [](void* context, const TnOnnxImporter* entry) {
        ForeignImporter importer;
        importer.domain.assign(entry->domain.data, entry->domain.size);
        importer.op.assign(entry->op.data, entry->op.size);
        importer.minOpset = entry->since;
        importer.maxOpset = entry->until > 0 ? entry->until : INT64_MAX;
        importer.rank = entry->rank;
        importer.importer = static_cast<nvonnxparser::IOnnxNodeImporter*>(entry->importer);
        static_cast<std::vector<ForeignImporter>*>(context)->push_back(std::move(importer));
    });
    return importers;
}

} // namespace

TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)
(const tenon::module::Host& host, tenon::module::Registrar& registrar, tenon::module::Reason&) {
    registrar.addParser("onnx", [host](void* network, void* logger) -> nvonnxparser::IParser* {
        return new tenon::onnx::OnnxParser(*static_cast<nvinfer1::INetworkDefinition*>(network),
                                           static_cast<nvinfer1::ILogger*>(logger), moduleImporters(host));
    });
    return tenon::module::Code::kOk;
}
