#pragma once

namespace trireme::mapreduce {

/// The argument that makes a program a slot's process.
inline constexpr char kSlotArgument[] = "--trireme-slot-process";

/// Serves attempts for the keeper at the other end of the inherited socket until that is closed,
/// when the arguments say so; otherwise returns at once. To be called first in main.
void MaybeRunSlotProcess(int argc, char** argv);

}  // namespace trireme::mapreduce
