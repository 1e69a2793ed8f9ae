// Columns that are as wide as what is in them.
// Used by verbs that print tables for people.
#pragma once

#include <string>
#include <vector>

namespace tenon::tools {

class TextTable {
public:
    enum class Align { kLeft, kRight };
    explicit TextTable(std::vector<Align> columns) : mColumns(std::move(columns)) {}
    // One cell for each column.
    void add(std::vector<std::string> cells) { mRows.push_back(std::move(cells)); }
    // Two spaces between columns, nothing at the ends of lines.
    std::vector<std::string> lines() const;

private:
    std::vector<Align> mColumns;
    std::vector<std::vector<std::string>> mRows;
};

} // namespace tenon::tools
