#pragma once

#include <cstdint>
#include <memory>

#include "sim/mr/books.h"
#include "sim/service.h"

/// Who takes part in a world of jobs. Clients 1 to `coordinators` are the coordinators, then come
/// the workers, then the one who submits.
namespace trireme::sim {

std::unique_ptr<Customer> MakeCoordinator(std::uint64_t number, Surroundings around, Record* record,
                                          Books* books);
std::unique_ptr<Customer> MakeWorker(std::uint64_t number, Surroundings around, Record* record,
                                     Books* books);
std::unique_ptr<Customer> MakeSubmitter(std::uint64_t number, Surroundings around, Record* record,
                                        Books* books);

}  // namespace trireme::sim
