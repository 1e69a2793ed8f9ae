// What a file is, for those who gave it where another kind is wanted: a plan for a model, a model for a plan, a text, a folder.
// Used by whatever reads models and plans. Looks at the first bytes only; what is in the rest, its reader says.
#pragma once

#include <string>

namespace tenon::tools {

enum class WantedFile {
    kModel,  // ONNX
    kPlan,   // of tenon build
    kEither, // one of both
    kGraph   // an ONNX model or IR text
};

// Throws ToolError where the file is known to be something else, saying what and who takes it, or cannot be opened. Pipes are not looked into: they
// give their bytes once.
void requireFile(const std::string& path, WantedFile wanted);

// Whether it is a plan, or IR text, by its first bytes. Throws ToolError where it cannot be read.
bool isPlanFile(const std::string& path);
bool isGraphText(const std::string& path);

} // namespace tenon::tools
