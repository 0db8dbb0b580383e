# flux_library(name [DIR dir] [LINK libs...]): one folder of src/ as one static library.
# The LINK list is the folder's permission to include: tests/unit/architecture_test.cpp checks the rest.

add_library(flux_options INTERFACE)

set_property(TARGET flux_options PROPERTY INTERFACE_COMPILE_OPTIONS
  -Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers "SHELL:-Xclang -fno-pch-timestamp")
target_compile_definitions(flux_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_SERIAL_PORT SPDLOG_FMT_EXTERNAL _FILE_OFFSET_BITS=64)
target_include_directories(flux_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
if(FLUXGATE_SANITIZE)
  target_compile_options(flux_options INTERFACE -fsanitize=${FLUXGATE_SANITIZE} -fno-sanitize-recover=undefined)
  target_link_options(flux_options INTERFACE -fsanitize=${FLUXGATE_SANITIZE})
endif()

function(flux_library name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_library(flux_${name} STATIC ${sources})
  target_link_libraries(flux_${name} PUBLIC flux_options ${arg_LINK})
  if(NOT name STREQUAL "base")
    target_precompile_headers(flux_${name} REUSE_FROM flux_base)
  endif()
endfunction()

# flux_embed(target function base files…): `std::span<const EmbeddedFile> fluxgate::function()` with the texts.
function(flux_embed target function base)
  if(NOT TARGET ${target})
    return()
  endif()
  set(out ${CMAKE_BINARY_DIR}/generated/${function}.cpp)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DNAME=${function}" "-DBASE=${base}" "-DFILES=${ARGN}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
  set_source_files_properties(${out} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()
