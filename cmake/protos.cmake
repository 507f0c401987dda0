# trireme_proto(target PROTOS trireme/test/v1/echo.proto ... [GRPC])
#
# A static library of the messages (foo.pb.h) and typed services (foo.trireme.h) of files under
# proto/. Includes are relative to proto/. GRPC adds grpc++'s own services (foo.grpc.pb.h): tests only.
set(TRIREME_PROTO_DIR ${CMAKE_SOURCE_DIR}/proto)
set(TRIREME_PROTO_OUT ${CMAKE_BINARY_DIR}/proto)

function(trireme_proto target)
  cmake_parse_arguments(PROTO "GRPC" "" "PROTOS;DEPS" ${ARGN})
  set(outputs)
  foreach(proto ${PROTO_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" base ${proto})
    set(out ${TRIREME_PROTO_OUT}/${base})
    set(generated ${out}.pb.cc ${out}.pb.h ${out}.trireme.h)
    set(grpc_arguments)
    if(PROTO_GRPC)
      find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
      list(APPEND generated ${out}.grpc.pb.cc ${out}.grpc.pb.h)
      set(grpc_arguments --grpc_out=${TRIREME_PROTO_OUT}
        --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
    endif()
    add_custom_command(OUTPUT ${generated}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${TRIREME_PROTO_OUT}
      COMMAND protobuf::protoc -I ${TRIREME_PROTO_DIR} --cpp_out=${TRIREME_PROTO_OUT}
        --trireme_out=${TRIREME_PROTO_OUT}
        --plugin=protoc-gen-trireme=$<TARGET_FILE:protoc-gen-trireme> ${grpc_arguments}
        ${TRIREME_PROTO_DIR}/${proto}
      DEPENDS ${TRIREME_PROTO_DIR}/${proto} protoc-gen-trireme
      VERBATIM)
    list(APPEND outputs ${generated})
  endforeach()
  add_library(${target} STATIC ${outputs})
  target_compile_options(${target} PRIVATE ${TRIREME_NOT_THE_PRODUCT})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${TRIREME_PROTO_OUT}>)
  target_link_libraries(${target} PUBLIC trireme_rpc protobuf::libprotobuf ${PROTO_DEPS})
  if(PROTO_GRPC)
    target_link_libraries(${target} PUBLIC PkgConfig::grpcpp)
  endif()
endfunction()
