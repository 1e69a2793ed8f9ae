# `cmake --install`: headers, libraries, modules with manifests (tenon_add_module installs them), tools, and the package
# that find_package(Tenon) finds. The tree can be moved: nothing in it holds an absolute path.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Tenon")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

set(exported tenon_runtime tenon_module_sdk)
if(TARGET tenon)
    list(APPEND exported tenon)
endif()
install(TARGETS ${exported} EXPORT TenonTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT TenonTargets NAMESPACE Tenon:: DESTINATION "${package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/TenonConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/TenonConfig.cmake" INSTALL_DESTINATION "${package_dir}"
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR TENON_MODULE_INSTALL_DIR TENON_COMPAT_INSTALL_DIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/TenonConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/TenonConfig.cmake"
    "${PROJECT_BINARY_DIR}/TenonConfigVersion.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/TenonAddModule.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/module.map"
    DESTINATION "${package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/tenon")
