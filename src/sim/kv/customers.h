#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sim/kv/record.h"
#include "sim/linear/kv_history.h"
#include "sim/service.h"

/// The clients of a KV world, each with its way of using the store.
namespace trireme::sim {

/// Puts, compares and reads registers; writes down what it saw, for the search of a linear order.
std::unique_ptr<Customer> MakeRegisterCustomer(std::uint64_t number, Surroundings around,
                                               Record* record,
                                               std::vector<linear::KvCall>* history);
/// Takes a lock by a lease, writes under it with its token, renews, lets go or falls silent.
std::unique_ptr<Customer> MakeLockCustomer(std::uint64_t number, Surroundings around,
                                           Record* record);
/// Watches, goes on after what it had last, elsewhere.
std::unique_ptr<Customer> MakeWatchCustomer(std::uint64_t number, Surroundings around,
                                            Record* record);
/// Keys with leases that nobody renews, deletes, compactions, and reads of the past.
std::unique_ptr<Customer> MakeJunkCustomer(std::uint64_t number, Surroundings around,
                                           Record* record);

}  // namespace trireme::sim
