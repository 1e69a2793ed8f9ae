// What numbers an option takes: the check, and what a user reads where the number is another one.
// Used by the options of all tools.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

namespace tenon::tools {

// Words that pass as a number of T for which `takes` holds; `range`: in words, "from 0 to 5".
template <typename T>
CLI::Validator numberThat(std::function<bool(T)> takes, const std::string& range) {
    const std::string wanted = std::string(std::is_integral_v<T> ? "a whole number " : "a number ") + range;
    return CLI::Validator(
        [takes = std::move(takes), wanted](std::string& word) {
            T value{};
            const bool fits = CLI::detail::lexical_cast(word, value) && takes(value);
            return fits ? std::string() : "'" + word + "' is not " + wanted;
        },
        "");
}

template <typename T>
CLI::Validator atLeast(T min) {
    std::ostringstream range;
    range << "of " << min << " or more";
    return numberThat<T>([min](T value) { return value >= min; }, range.str());
}

template <typename T>
CLI::Validator between(T min, T max) {
    std::ostringstream range;
    range.precision(15); // 1000000, not 1e+06
    range << "from " << min << " to " << max;
    return numberThat<T>([min, max](T value) { return value >= min && value <= max; }, range.str());
}

} // namespace tenon::tools
