# Clients of etcd in other languages, from their public registries: got once, into the build folder. Where a
# registry is not reached their tests are left out, and a warning says so.
function(fetch_kv_client language folder)
  execute_process(COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kv/fetch_client ${language} ${folder}
    TIMEOUT 300 RESULT_VARIABLE status OUTPUT_VARIABLE why ERROR_VARIABLE why)
  set(fetched TRUE PARENT_SCOPE)
  if(NOT status EQUAL 0)
    set(fetched FALSE PARENT_SCOPE)
    string(REGEX MATCH "[^\n]*\n?$" why "${why}")
    message(WARNING "LEFT OUT: the tests of the KV with ${language}'s client, which could not be got: ${why}")
  endif()
endfunction()

# ThreadSanitizer sees nothing of the server in them; see .ci/run.
if(TRIREME_SANITIZE STREQUAL "thread")
  return()
endif()

fetch_kv_client(go "")
if(fetched)
  set(sources ${CMAKE_CURRENT_SOURCE_DIR}/kv/go_client)
  set(program ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/kv_go_client)
  file(GLOB files CONFIGURE_DEPENDS ${sources}/*.go)
  add_custom_command(OUTPUT ${program}
    COMMAND ${CMAKE_COMMAND} -E env CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=readonly
      go build -trimpath -o ${program} .
    WORKING_DIRECTORY ${sources} DEPENDS ${files} ${sources}/go.mod ${sources}/go.sum VERBATIM)
  add_custom_target(kv_go_client ALL DEPENDS ${program})
  cluster_tests(kv go_client_test KV_GO_CLIENT=${program})
endif()

fetch_kv_client(python ${CMAKE_BINARY_DIR}/kv_python_client)
if(fetched)
  cluster_tests(kv python_client_test KV_PYTHON=${CMAKE_BINARY_DIR}/kv_python_client/bin/python)
endif()
