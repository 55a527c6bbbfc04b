# What `cmake --install` puts where, and how others find it: `find_package(ferry)` and `pkg-config ferry`.
#
# The library is static, so whoever links it links what it stands on as well; the package finds these again.
# cppzmq and CLI11 are headers that only ferry's own sources include.
include(CMakePackageConfigHelpers)

set(FERRY_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/ferry)
set(FERRY_PKGCONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS ferry EXPORT ferry_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT ferry_targets NAMESPACE ferry:: DESTINATION ${FERRY_CMAKE_DIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ferry DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(ISAL_FOUND)
    set(FERRY_WITH_ISAL ON)
    set(FERRY_REQUIRES "libzmq fmt libisal")
else()
    set(FERRY_WITH_ISAL OFF)
    set(FERRY_REQUIRES "libzmq fmt")
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ferry-config.cmake.in ferry-config.cmake
                              INSTALL_DESTINATION ${FERRY_CMAKE_DIR})
write_basic_package_version_file(ferry-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ferry-config.cmake ${PROJECT_BINARY_DIR}/ferry-config-version.cmake
        DESTINATION ${FERRY_CMAKE_DIR})

# The prefix is told relative to the .pc file, so that an installed tree can be moved.
file(RELATIVE_PATH FERRY_PREFIX_FROM_PC /${FERRY_PKGCONFIG_DIR} /)
string(REGEX REPLACE "/$" "" FERRY_PREFIX_FROM_PC "${FERRY_PREFIX_FROM_PC}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/ferry.pc.in ferry.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ferry.pc DESTINATION ${FERRY_PKGCONFIG_DIR})
