# cmake -DOUTPUT=<file.cpp> -DFOLDER=<folder> -DFILES=<name;name> -P embed_text.cmake
# Writes a source with the files' text as constants: k<Name>Text for each, in namespace tenon::cuda.
set(text "// Made from backends/cuda/device by embed_text.cmake.\n#include \"backends/cuda/device_text.h\"\n\nnamespace tenon::cuda {\n")
foreach(file ${FILES})
    file(READ "${FOLDER}/${file}" content)
    string(REGEX REPLACE "\\..*" "" name "${file}")
    string(SUBSTRING "${name}" 0 1 first)
    string(SUBSTRING "${name}" 1 -1 rest)
    string(TOUPPER "${first}" first)
    string(APPEND text "const std::string_view k${first}${rest}Text = R\"TENONCUDA(${content})TENONCUDA\";\n")
endforeach()
string(APPEND text "} // namespace tenon::cuda\n")
file(WRITE "${OUTPUT}" "${text}")
