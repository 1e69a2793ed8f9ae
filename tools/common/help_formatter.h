// How --help looks: lines of at most 110 characters, what an option takes in one word, its default behind its description.
// Used by both tools, on the application before its options are added.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace tenon::tools {

class HelpFormatter final : public CLI::Formatter {
public:
    // For `app` and all verbs that are added later; their options show their defaults.
    static void use(CLI::App& app);

    std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
    std::string make_option(const CLI::Option* option, bool isPositional) const override;
    std::string make_option_opts(const CLI::Option* option) const override;
    std::string make_option_desc(const CLI::Option* option) const override;
    std::string make_subcommand(const CLI::App* verb) const override;
    std::string make_footer(const CLI::App* app) const override;
};

} // namespace tenon::tools
