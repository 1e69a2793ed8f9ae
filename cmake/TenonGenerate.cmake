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
    target_include_directories(${target} SYSTEM PRIVATE "${TENON_FLATBUFFERS_INCLUDE}")
    set_source_files_properties("${header}" PROPERTIES SKIP_LINTING ON)
endfunction()

# tenon_generate_onnx_proto(<target>)
# Adds "parsers/onnx/onnx_ml.pb.h" (namespace tenon_onnx) and static protobuf-lite to the target. The messages are
# compiled for the lite runtime under a package name of our own and linked with hidden symbols: a process that has
# another onnx or protobuf in it registers the same names twice otherwise, and aborts.
function(tenon_generate_onnx_proto target)
    if(NOT (TENON_PROTOC AND TENON_PROTOBUF_LITE AND TENON_ONNX_PROTO_FILE))
        message(FATAL_ERROR "tenon_generate_onnx_proto: check TENON_HAVE_ONNX_PROTO first")
    endif()
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
    target_sources(${target} PRIVATE "${output}.pb.cc" "${output}.pb.h")
    set_source_files_properties("${output}.pb.cc" PROPERTIES COMPILE_OPTIONS "-w")
    find_path(TENON_PROTOBUF_INCLUDE google/protobuf/message_lite.h)
    mark_as_advanced(TENON_PROTOBUF_INCLUDE)
    target_include_directories(${target} SYSTEM PRIVATE "${TENON_PROTOBUF_INCLUDE}" "${root}")
    target_link_libraries(${target} PRIVATE "${TENON_PROTOBUF_LITE}" Threads::Threads)
    target_link_options(${target} PRIVATE "LINKER:--exclude-libs,ALL")
endfunction()

if(TENON_PROTOC AND TENON_PROTOBUF_LITE AND TENON_ONNX_PROTO_FILE)
    set(TENON_HAVE_ONNX_PROTO TRUE)
else()
    set(TENON_HAVE_ONNX_PROTO FALSE)
endif()
