# tenon_add_module(NAME <name>
#                  SOURCES <file>...
#                  [VERSION <x.y.z>]        version of the module; default: the project's
#                  [PROVIDES <entry>...]    what it registers, for people and for `tenon modules`: "backend:cpu", "parser:onnx"
#                  [REQUIRES <entry>...]    what must be there for it: other modules, or a library on the machine
#                  [RANK <n>]               order among equally good tactics; the larger wins; default 0
#                  [EXPORTS <file>]         a version script, for a module that must export more than its query function
#                  [LIBRARIES <target>...]  what it links; never a library of Tenon's core
#                  [OUTPUT_DIRECTORY <dir>] default: where a build of Tenon looks first, or modules/ in a build tree of yours
#                  [NO_INSTALL])
#
# Builds libtenon_<name>.so, a module that exports one symbol, and writes tenon_<name>.tenonmod beside it: the text
# manifest by which the host knows the module without opening it. The target is tenon_module_<name>. The sources get
# TENON_MODULE_NAME and TENON_MODULE_VERSION, so that `TENON_MODULE(TENON_MODULE_NAME, TENON_MODULE_VERSION)` cannot
# disagree with the manifest.
#
# A manifest is lines of `key = value`; `#` starts a comment line; lists are separated by commas. Keys: name, version,
# abi (major.minor of include/tenon/module/abi.h), library (file name, beside the manifest), arch, provides, requires,
# rank, build_id (of this configuration; the library reports the same one), sanitizer (empty: none).
#
# This file serves Tenon's own build and, installed with TenonConfig.cmake, modules built elsewhere.

set(TENON_MODULE_CMAKE_DIR "${CMAKE_CURRENT_LIST_DIR}")

function(tenon_add_module)
    cmake_parse_arguments(PARSE_ARGV 0 arg "NO_INSTALL" "NAME;VERSION;RANK;EXPORTS;OUTPUT_DIRECTORY"
        "SOURCES;PROVIDES;REQUIRES;LIBRARIES")
    if(NOT arg_NAME OR NOT arg_SOURCES)
        message(FATAL_ERROR "tenon_add_module needs NAME and SOURCES")
    endif()
    if(NOT arg_NAME MATCHES "^[a-z][a-z0-9_]*$")
        message(FATAL_ERROR "tenon_add_module: '${arg_NAME}' is no module name (lower case letters, digits, _)")
    endif()
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "tenon_add_module(${arg_NAME}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_VERSION)
        set(arg_VERSION "${PROJECT_VERSION}")
    endif()
    if(NOT arg_VERSION)
        set(arg_VERSION "0.0.0")
    endif()
    if(NOT arg_EXPORTS)
        set(arg_EXPORTS "${TENON_MODULE_CMAKE_DIR}/module.map")
    endif()
    if(NOT arg_RANK)
        set(arg_RANK 0)
    endif()
    if(NOT arg_OUTPUT_DIRECTORY)
        if(TENON_MODULE_OUTPUT_DIRECTORY)
            set(arg_OUTPUT_DIRECTORY "${TENON_MODULE_OUTPUT_DIRECTORY}")
        else()
            set(arg_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/modules")
        endif()
    endif()

    # In Tenon's own build the flags of the project carry the sanitizer; elsewhere the author sets TENON_SANITIZER_NAME.
    set(sanitizer "${TENON_SANITIZER_NAME}")
    # Tells one configuration's library from another's, and stays the same when the same thing is built again.
    string(SHA1 build_id "${arg_NAME};${arg_VERSION};${TENON_ABI_VERSION};${CMAKE_CXX_COMPILER_ID};${CMAKE_CXX_COMPILER_VERSION};${CMAKE_SYSTEM_PROCESSOR};${CMAKE_BUILD_TYPE};${sanitizer}")
    string(SUBSTRING "${build_id}" 0 16 build_id)

    set(target "tenon_module_${arg_NAME}")
    add_library(${target} MODULE ${arg_SOURCES})
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME "tenon_${arg_NAME}"
        PREFIX "lib"
        SUFFIX ".so"
        LIBRARY_OUTPUT_DIRECTORY "${arg_OUTPUT_DIRECTORY}"
        C_VISIBILITY_PRESET hidden
        CXX_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON
        POSITION_INDEPENDENT_CODE ON
        BUILD_WITH_INSTALL_RPATH ON
        INSTALL_RPATH "\$ORIGIN"
        LINK_DEPENDS "${arg_EXPORTS}")
    target_compile_definitions(${target} PRIVATE
        "TENON_MODULE_NAME=\"${arg_NAME}\"" "TENON_MODULE_VERSION=\"${arg_VERSION}\""
        "TENON_MODULE_BUILD_ID=\"${build_id}\"" "TENON_MODULE_SANITIZER=\"${sanitizer}\"")
    target_link_libraries(${target} PRIVATE Tenon::module_sdk ${arg_LIBRARIES})
    if(TARGET tenon_build_flags)
        target_link_libraries(${target} PRIVATE tenon_build_flags)
    endif()
    target_link_options(${target} PRIVATE
        "LINKER:--version-script=${arg_EXPORTS}" ${TENON_NO_UNDEFINED})

    string(REPLACE ";" ", " provides "${arg_PROVIDES}")
    string(REPLACE ";" ", " requires "${arg_REQUIRES}")
    set(manifest "${CMAKE_CURRENT_BINARY_DIR}/tenon_${arg_NAME}.tenonmod")
    file(CONFIGURE OUTPUT "${manifest}" @ONLY CONTENT [[
# Manifest of a Tenon module, made by tenon_add_module().
name = @arg_NAME@
version = @arg_VERSION@
abi = @TENON_ABI_VERSION@
library = libtenon_@arg_NAME@.so
arch = @CMAKE_SYSTEM_PROCESSOR@
provides = @provides@
requires = @requires@
rank = @arg_RANK@
build_id = @build_id@
sanitizer = @sanitizer@
]])
    # Beside the library only once that is linked: a manifest without its library is an error to the host.
    add_custom_command(TARGET ${target} POST_BUILD
        COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${manifest}" "${arg_OUTPUT_DIRECTORY}/tenon_${arg_NAME}.tenonmod"
        VERBATIM)
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${manifest}")

    if(NOT arg_NO_INSTALL AND TENON_MODULE_INSTALL_DIR)
        install(TARGETS ${target} LIBRARY DESTINATION "${TENON_MODULE_INSTALL_DIR}")
        install(FILES "${manifest}" DESTINATION "${TENON_MODULE_INSTALL_DIR}")
    endif()
endfunction()

# tenon_read_abi_version(<out> <abi.h>): "major.minor" as the header has it.
function(tenon_read_abi_version out header)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}") # manifests repeat it
    file(STRINGS "${header}" lines REGEX "^#define TN_ABI_(MAJOR|MINOR) ")
    string(REGEX REPLACE ".*TN_ABI_MAJOR ([0-9]+).*" "\\1" major "${lines}")
    string(REGEX REPLACE ".*TN_ABI_MINOR ([0-9]+).*" "\\1" minor "${lines}")
    set(${out} "${major}.${minor}" PARENT_SCOPE)
endfunction()
