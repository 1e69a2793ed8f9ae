# Where installed modules are, for a library that was moved away from them.
set_source_files_properties("${PROJECT_SOURCE_DIR}/registry/module_finder.cpp" PROPERTIES COMPILE_DEFINITIONS
    "TENON_MODULE_INSTALL_PATH=\"${CMAKE_INSTALL_PREFIX}/${TENON_MODULE_INSTALL_DIR}\"")
