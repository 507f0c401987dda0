# cmake --install: the program, the public headers, and a package for find_package(trireme) with
#   trireme::mapreduce   a job's program: Main and everything under it
#   trireme::raft        a program that embeds a Raft host: all of <trireme/raft.h>
#   trireme::kv          include/trireme/kv.h
#   trireme::headers     a plugin, which takes the rest from the program that loads it
include(CMakePackageConfigHelpers)
get_property(rooms GLOBAL PROPERTY TRIREME_ROOMS)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/trireme)

add_library(trireme_headers INTERFACE)
target_compile_features(trireme_headers INTERFACE cxx_std_20)
target_include_directories(trireme_headers INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(trireme_headers PROPERTIES EXPORT_NAME headers)

add_library(trireme_mapreduce INTERFACE)
target_link_libraries(trireme_mapreduce INTERFACE trireme_headers trireme_cli)
set_target_properties(trireme_mapreduce PROPERTIES EXPORT_NAME mapreduce)

add_library(trireme_raft_embed INTERFACE)
target_link_libraries(trireme_raft_embed INTERFACE trireme_headers trireme_raft_replica)
set_target_properties(trireme_raft_embed PROPERTIES EXPORT_NAME raft)

add_library(trireme_kv INTERFACE)
target_link_libraries(trireme_kv INTERFACE trireme_headers trireme_kv_client)
set_target_properties(trireme_kv PROPERTIES EXPORT_NAME kv)

install(TARGETS trireme)
install(TARGETS trireme_raft)  # for other languages, beside include/trireme/c/raft.h
install(TARGETS trireme_headers trireme_mapreduce trireme_raft_embed trireme_kv ${rooms} trireme_mapreduce_proto
    trireme_etcd_proto
  EXPORT trireme-targets)
foreach(section 1 7)
  install(DIRECTORY ${CMAKE_BINARY_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section}
    FILES_MATCHING PATTERN "*.${section}")
endforeach()
set(completion ${CMAKE_BINARY_DIR}/completion)
install(FILES ${completion}/trireme.bash RENAME trireme
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completion}/trireme.zsh RENAME _trireme DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${completion}/trireme.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(DIRECTORY include/trireme DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT trireme-targets NAMESPACE trireme:: DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/trireme-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES cmake/trireme-config.cmake cmake/dependencies.cmake
  ${CMAKE_BINARY_DIR}/trireme-config-version.cmake DESTINATION ${package_dir})
