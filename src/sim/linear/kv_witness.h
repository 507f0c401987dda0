#pragma once

#include <cstddef>
#include <vector>

#include "sim/linear/kv_history.h"

namespace trireme::linear {

/// Whether `history` is explained by letting the calls in `effects` (their places in it) take
/// effect in that order, each once, and every read of a version when that version stands. True is a
/// proof, checked step by step, wherever the order comes from: each call takes effect at one moment
/// between its call and its return, and gives what it gave. False says nothing. Takes n log n time
/// where a search may take any (Gibbons & Korach, "Testing shared memories", SIAM J. Comput. 1997:
/// with the order of writes known, the rest is easy).
bool Explains(const std::vector<KvCall>& history, const std::vector<std::size_t>& effects);

}  // namespace trireme::linear
