#include "tools/common/help_formatter.h"

#include <memory>
#include <sstream>
#include <utility>

namespace tenon::tools {

namespace {

constexpr size_t kWidth = 110;
constexpr size_t kColumn = 30; // where descriptions begin

// Words of `text` in lines that begin at `column`, the first of them where the cursor is.
std::string wrapped(const std::string& text, size_t column) {
    std::istringstream words(text);
    std::string result;
    size_t at = column;
    for (std::string word; words >> word;) {
        const bool first = result.empty();
        if (!first && at + 1 + word.size() > kWidth) {
            result += "\n" + std::string(column, ' ');
            at = column;
        } else if (!first) {
            result += ' ';
            ++at;
        }
        result += word;
        at += word.size();
    }
    return result;
}

std::string entry(const std::string& name, const std::string& description) {
    std::string head = "  " + name;
    head += head.size() < kColumn ? std::string(kColumn - head.size(), ' ') : "\n" + std::string(kColumn, ' ');
    return head + wrapped(description, kColumn) + "\n";
}

} // namespace

void HelpFormatter::use(CLI::App& app) {
    app.formatter(std::make_shared<HelpFormatter>());
    app.option_defaults()->always_capture_default();
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
    std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (size_t at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at)) {
        text.erase(at, 1); // between groups
    }
    return text;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool isPositional) const {
    return entry(make_option_name(option, isPositional) + make_option_opts(option), make_option_desc(option));
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
    if (option->get_type_size() == 0 || option->get_positional()) {
        return "";
    }
    // Behind the colon is what the value is checked for, which the description says where it is worth it.
    const std::string type = option->get_type_name().substr(0, option->get_type_name().find(':'));
    return type.empty() ? "" : " " + (type == "INT" ? "N" : type == "FLOAT" ? "X" : type);
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
    std::string fallback = option->get_default_str();
    if (fallback.size() >= 2 && fallback.front() == '[' && fallback.back() == ']') {
        fallback = fallback.substr(1, fallback.size() - 2); // of a list
    }
    const bool told = option->get_type_size() != 0 && !fallback.empty();
    return option->get_description() + (told ? " [default: " + fallback + "]" : "");
}

std::string HelpFormatter::make_subcommand(const CLI::App* verb) const {
    return entry(verb->get_name(), verb->get_description());
}

std::string HelpFormatter::make_footer(const CLI::App* app) const {
    std::istringstream lines(app->get_footer());
    std::string text;
    for (std::string line; std::getline(lines, line);) {
        text += wrapped(line, 0) + "\n";
    }
    return text;
}

} // namespace tenon::tools
