# A real S3 server, versitygw, from its public registry: built once, into the build folder (about a minute and a half of
# one core). Where the registry is not reached, or go is older than it wants, the tests are left out, and a warning says so.
# ThreadSanitizer sees the client in the unit tests of mapreduce/fs.
if(TRIREME_SANITIZE STREQUAL "thread")
  return()
endif()
execute_process(COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/s3/fetch_server
  TIMEOUT 300 RESULT_VARIABLE status OUTPUT_VARIABLE why ERROR_VARIABLE why)
if(NOT status EQUAL 0)
  string(REGEX MATCH "[^\n]*\n?$" why "${why}")
  message(WARNING "LEFT OUT: the tests with an S3 server, which could not be got: ${why}")
  return()
endif()
set(sources ${CMAKE_CURRENT_SOURCE_DIR}/s3/server)
# One for all build folders of this checkout: it has nothing of ours in it.
set(program ${CMAKE_SOURCE_DIR}/build/tools/s3_server)
add_custom_command(OUTPUT ${program}
  COMMAND ${CMAKE_COMMAND} -E env CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=readonly
    go build -trimpath -ldflags "-s -w" -o ${program} .
  WORKING_DIRECTORY ${sources} DEPENDS ${sources}/main.go ${sources}/go.mod ${sources}/go.sum VERBATIM)
add_custom_target(s3_server ALL DEPENDS ${program})
cluster_tests(s3 embedded_test S3_SERVER=${program})
cluster_tests(s3 cluster_test S3_SERVER=${program})
