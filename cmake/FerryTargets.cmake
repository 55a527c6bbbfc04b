# How every ferry target is compiled.
# Designated initializers leave the fields that keep their defaults out, on purpose.
add_library(ferry_flags INTERFACE)
target_compile_options(ferry_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wno-sign-conversion
                                             -Wno-missing-field-initializers -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports std::string copies inside optimised library code as overlapping or out of bounds.
    target_compile_options(ferry_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds
                                                 -Wno-maybe-uninitialized -Wno-stringop-overread)
endif()
if(FERRY_SANITIZE)
    add_compile_options(-fsanitize=${FERRY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${FERRY_SANITIZE})
endif()

# ferry_part(NAME SOURCES... ) - one folder as an object library that sees the public headers and the tree.
function(ferry_part name)
    add_library(${name} OBJECT ${ARGN})
    target_link_libraries(${name} PRIVATE ferry_flags)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

# ferry_precompile(TARGET [HEADERS...]) - the standard headers that nearly every source includes, read once for a
# target. Sources include what they use all the same; -DFERRY_PRECOMPILE=OFF shows whether they do.
option(FERRY_PRECOMPILE "Read the standard headers once for each target" ON)
function(ferry_precompile target)
    if(FERRY_PRECOMPILE)
        target_precompile_headers(${target} PRIVATE <algorithm> <array> <chrono> <cstdint> <deque> <functional> <map>
                                  <memory> <mutex> <optional> <string> <string_view> <thread> <unordered_map> <vector>
                                  <fmt/format.h> ${ARGN})
    endif()
endfunction()
