#pragma once

namespace trireme::sim {

struct Options;
class EventQueue;
class Network;
class Trace;
class Panel;

/// What nodes and clients live in.
struct Surroundings {
  const Options* options;
  EventQueue* queue;
  Network* network;
  Trace* trace;
  Panel* panel;
};

}  // namespace trireme::sim
