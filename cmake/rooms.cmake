# One CMake target per room, linked only to what the room's row in docs/architecture.md names.
#
#   trireme_room(mapreduce/plan DEPS base LIBS absl::status)
#
# takes every *.cc of the room's folder; those that end in _test.cc become one test program.
# ThreadSanitizer has nothing to see in the tests of rooms that know no thread: they are not built with it.
set(TRIREME_ROOMS_OF_ONE_THREAD base raft/core kv/model mapreduce/plan sim sim/kv sim/sharded sim/sharded/core
  sim/mr sim/linear)
function(trireme_room path)
  cmake_parse_arguments(ROOM "" "" "DEPS;LIBS;SOURCES;TEST_LIBS;TEST_LABELS" ${ARGN})
  string(REPLACE "/" "_" name ${path})
  set(dir ${CMAKE_SOURCE_DIR}/src/${path})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(APPEND sources ${ROOM_SOURCES})
  set(target trireme_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wno-missing-field-initializers)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(trireme::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${target} ${scope} $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  foreach(dep ${ROOM_DEPS})
    string(REPLACE "/" "_" dep_name ${dep})
    target_link_libraries(${target} ${scope} trireme_${dep_name})
  endforeach()
  target_link_libraries(${target} ${scope} ${ROOM_LIBS})
  set_property(GLOBAL APPEND PROPERTY TRIREME_ROOMS ${target})
  if(TRIREME_SANITIZE STREQUAL "thread" AND path IN_LIST TRIREME_ROOMS_OF_ONE_THREAD)
    set(tests)
  endif()
  if(tests AND TRIREME_TESTS)
    trireme_test(${name}_tests SOURCES ${tests} LIBS ${target} ${ROOM_TEST_LIBS})
  endif()
endfunction()

if(TRIREME_SANITIZE STREQUAL "thread")
  set(TRIREME_TEST_ENVIRONMENT
    ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
endif()

# A test program; each of its cases is a ctest case.
function(trireme_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LIBS" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wno-missing-field-initializers
    ${TRIREME_NOT_THE_PRODUCT})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${TEST_LIBS} GTest::gtest_main GTest::gmock)
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${TEST_TIMEOUT} ${TRIREME_TEST_ENVIRONMENT})
endfunction()
