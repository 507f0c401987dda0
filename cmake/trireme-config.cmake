# The libraries are static, so what they lean on is found again here.
include(${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/trireme-targets.cmake)
