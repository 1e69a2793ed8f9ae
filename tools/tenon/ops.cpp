// tenon ops: the reference of all ops, made from their definitions.
#include "core/ops/op_doc.h"
#include "registry/module_registry.h"
#include "tools/tenon/verb.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace tenon::tools {

void addOpsVerb(CLI::App& tool, VerbAction& action) {
    struct Options {
        std::vector<std::string> modules;
        CommonFlags common;
    };
    auto options = std::make_shared<Options>();
    CLI::App* verb =
        tool.add_subcommand("ops", "Print the reference of all ops, those of loaded modules included, as Markdown");
    verb->add_option("--module", options->modules, "Load this module library or manifest as well; repeat for more")
        ->type_name("FILE")
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
    options->common.addTo(*verb);
    verb->callback([options, &action] {
        action = [options] {
            ConsoleLogger logger(options->common.threshold());
            loadExtensions(options->modules, {}, logger);
            const std::string text = ops::opsMarkdown(registry::ModuleRegistry::process().snapshot()->ops());
            if (options->common.json) {
                std::printf("%s\n", nlohmann::json{{"markdown", text}}.dump(1).c_str());
            } else {
                std::printf("%s", text.c_str());
            }
            return ExitCode::kOk;
        };
    });
}

} // namespace tenon::tools
