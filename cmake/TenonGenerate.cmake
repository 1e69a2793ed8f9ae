# Code made at build time, into ${PROJECT_BINARY_DIR}/generated with the folder of its source, so that an include reads
# the same whether a header is written or generated: "core/plan/plan_generated.h".

# tenon_generate_flatbuffers(<target> <folder>/<name>.fbs)
# Adds the header "<folder>/<name>_generated.h" to the target.
function(tenon_generate_flatbuffers target schema)
    get_filename_component(folder "${schema}" DIRECTORY)
    get_filename_component(name "${schema}" NAME_WE)
    set(output_folder "${PROJECT_BINARY_DIR}/generated/${folder}")
    set(header "${output_folder}/${name}_generated.h")
    add_custom_command(
        OUTPUT "${header}"
        COMMAND "${TENON_FLATC}" --cpp --cpp-std c++17 --scoped-enums --no-prefix --warnings-as-errors -o "${output_folder}"
                "${PROJECT_SOURCE_DIR}/${schema}"
        DEPENDS "${PROJECT_SOURCE_DIR}/${schema}"
        COMMENT "Generating ${folder}/${name}_generated.h"
        VERBATIM)
    target_sources(${target} PRIVATE "${header}")
    # Generated code and its library are not held to our warnings.
    target_include_directories(${target} SYSTEM PRIVATE "${PROJECT_BINARY_DIR}/generated" "${TENON_FLATBUFFERS_INCLUDE}")
endfunction()

# `tenon_onnx_messages`: "parsers/onnx/onnx_ml.pb.h" (namespace tenon_onnx) and protobuf-lite. The messages are compiled
# for the lite runtime under a package name of our own: a process that has another onnx in it would register the same
# names twice otherwise, and abort. Check TENON_HAVE_ONNX_PROTO before using it.
set(TENON_HAVE_ONNX_PROTO FALSE)
if(TENON_PROTOC AND TENON_ONNX_PROTO_FILE AND TARGET tenon_protobuf_lite)
    set(TENON_HAVE_ONNX_PROTO TRUE)
    set(root "${PROJECT_BINARY_DIR}/generated")
    set(output "${root}/parsers/onnx/onnx_ml")
    add_custom_command(
        OUTPUT "${output}.pb.h" "${output}.pb.cc"
        COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/cmake/rename_onnx_proto.py"
                "${TENON_ONNX_PROTO_FILE}" "${output}.proto"
        COMMAND "${TENON_PROTOC}" "--proto_path=${root}" "--cpp_out=lite:${root}" "${output}.proto"
        DEPENDS "${TENON_ONNX_PROTO_FILE}" "${PROJECT_SOURCE_DIR}/cmake/rename_onnx_proto.py"
        COMMENT "Generating parsers/onnx/onnx_ml.pb.h"
        VERBATIM)
    add_library(tenon_onnx_messages STATIC EXCLUDE_FROM_ALL "${output}.pb.cc" "${output}.pb.h")
    target_compile_options(tenon_onnx_messages PRIVATE -w)
    set_target_properties(tenon_onnx_messages PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    # As a system folder, so that what is inside of the header raises no warnings in our files.
    target_include_directories(tenon_onnx_messages SYSTEM PUBLIC "${root}")
    target_link_libraries(tenon_onnx_messages PUBLIC tenon_protobuf_lite PRIVATE tenon_instrumentation)
endif()

# tenon_use_onnx_messages(<target>): links them, privately.
function(tenon_use_onnx_messages target)
    if(NOT TENON_HAVE_ONNX_PROTO)
        message(FATAL_ERROR "tenon_use_onnx_messages(${target}): check TENON_HAVE_ONNX_PROTO first")
    endif()
    target_link_libraries(${target} PRIVATE tenon_onnx_messages)
    target_link_options(${target} PRIVATE "LINKER:--exclude-libs,ALL")
endfunction()
