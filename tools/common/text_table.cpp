#include "tools/common/text_table.h"

#include <algorithm>

namespace tenon::tools {

std::vector<std::string> TextTable::lines() const {
    std::vector<size_t> widths(mColumns.size(), 0);
    for (const std::vector<std::string>& row : mRows) {
        for (size_t c = 0; c < widths.size(); ++c) {
            widths[c] = std::max(widths[c], row[c].size());
        }
    }
    std::vector<std::string> lines;
    for (const std::vector<std::string>& row : mRows) {
        std::string line;
        for (size_t c = 0; c < widths.size(); ++c) {
            if (widths[c] == 0) {
                continue; // nothing in the whole column
            }
            const std::string fill(widths[c] - row[c].size(), ' ');
            line += (line.empty() ? "" : "  ") + (mColumns[c] == Align::kRight ? fill + row[c] : row[c] + fill);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        lines.push_back(std::move(line));
    }
    return lines;
}

} // namespace tenon::tools
