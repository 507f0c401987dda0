# Programs with a known bug, to prove that the simulator's oracles can fail. The bug is put into a copy
# of one or more source files; the sources themselves know nothing of it.
#
# TRIREME_FLAW_WORLDS says whose worlds: KV or SHARDED; unset: those of registers.
#
#   trireme_flaw(name
#     IN raft/core/lease.cc FIND [[now - *granted_ < ticks_]] PUT [[true]])
#
# IN, FIND and PUT may occur again. A text that is not there stops the configuration: then the source
# has changed and the bug has to be put in anew. The copies stand before the libraries when linking, so
# of each library everything but that file is used.
function(trireme_flaw name)
  set(sources)
  set(i 1)
  while(i LESS ARGC)
    math(EXPR f "${i} + 1")
    math(EXPR find "${i} + 3")
    math(EXPR put "${i} + 5")
    set(file "${ARGV${f}}")
    string(REPLACE "/" "_" flat "${file}")
    set(copy "${CMAKE_BINARY_DIR}/flaws/${name}/${flat}")
    if(NOT copy IN_LIST sources)
      file(READ "${CMAKE_SOURCE_DIR}/src/${file}" text_${flat})
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${file}")
      list(APPEND sources "${copy}")
    endif()
    string(FIND "${text_${flat}}" "${ARGV${find}}" place)
    if(place EQUAL -1)
      message(FATAL_ERROR "flaw ${name}: src/${file} does not have the text '${ARGV${find}}'")
    endif()
    string(REPLACE "${ARGV${find}}" "${ARGV${put}}" text_${flat} "${text_${flat}}")
    file(CONFIGURE OUTPUT "${copy}" CONTENT "${text_${flat}}" @ONLY)
    math(EXPR i "${i} + 6")
  endwhile()
  trireme_test(sim_flaw_${name}_tests SOURCES ${CMAKE_SOURCE_DIR}/tests/sim/flaw_test.cc ${sources}
    LIBS trireme_sim_kv trireme_sim_sharded trireme_sim)
  if(TRIREME_FLAW_WORLDS)
    target_compile_definitions(sim_flaw_${name}_tests PRIVATE FLAW_${TRIREME_FLAW_WORLDS})
  endif()
  target_compile_definitions(sim_flaw_${name}_tests PRIVATE FLAW_NAME="${name}")
  target_compile_options(sim_flaw_${name}_tests PRIVATE -Wno-unused-parameter)
endfunction()
