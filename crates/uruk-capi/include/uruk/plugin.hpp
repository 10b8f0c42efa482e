/* Plugins, which take part in links. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_PLUGIN_HPP
#define URUK_PLUGIN_HPP

#include "graph.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace uruk {

/// A plugin of one's own, for `Jit::add_plugin`. What each function is told is said at `uruk_plugin_callbacks`. Several threads may call
/// them at once for several objects; in them only functions may be called of which the header says so, all of graphs among them. An object
/// of which a phase fails is not linked.
class Plugin {
 public:
  virtual ~Plugin() = default;

  /// What messages call it.
  virtual const char *name() const noexcept { return nullptr; }

  /// The graph is as the object's file has it, and can be changed. Symbols that other objects see are added and dropped now.
  virtual Result<void> pre_prune(const uruk_plugin_object &object, Graph graph) noexcept { return nothing(object, graph); }

  /// What other objects have brought, and what nothing needs, is gone. The graph can be changed.
  virtual Result<void> post_prune(const uruk_plugin_object &object, Graph graph) noexcept { return nothing(object, graph); }

  /// All of the object has its address.
  virtual Result<void> post_allocation(const uruk_plugin_object &object, Graph graph) noexcept { return nothing(object, graph); }

  /// All addresses are known, those of what it refers to among them.
  virtual Result<void> pre_fixup(const uruk_plugin_object &object, Graph graph) noexcept { return nothing(object, graph); }

  /// All bytes are written, and can be changed for the last time.
  virtual Result<void> post_fixup(const uruk_plugin_object &object, Graph graph) noexcept { return nothing(object, graph); }

  /// The bytes are at their addresses, protected; nobody has been given a symbol of the object yet.
  virtual void linked(const uruk_plugin_object &object, Graph graph) noexcept { (void)object, (void)graph; }

  /// The object could not be linked. Every object that `pre_prune` has seen is either linked or fails.
  virtual void failed(const uruk_plugin_object &object, const Error &error) noexcept { (void)object, (void)error; }

  /// A linked object is going: nobody finds its symbols, its memory is still there.
  virtual void removing(const uruk_plugin_object &object) noexcept { (void)object; }

  Plugin(const Plugin &) = delete;
  Plugin &operator=(const Plugin &) = delete;

 protected:
  Plugin() = default;

 private:
  static Result<void> nothing(const uruk_plugin_object &object, Graph graph) {
    (void)object, (void)graph;
    return {};
  }
};

namespace detail {

/// The callbacks of the library, whose context is a `Plugin`.
struct PluginCallbacks {
  static Plugin &plugin(void *context) { return *static_cast<Plugin *>(context); }

  template <Result<void> (Plugin::*function)(const uruk_plugin_object &, Graph) noexcept>
  static std::int32_t phase(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) noexcept {
    return answer((plugin(context).*function)(*object, Graph(graph)), message);
  }

  static void linked(void *context, const uruk_plugin_object *object, uruk_graph *graph) noexcept {
    plugin(context).linked(*object, Graph(graph));
  }

  static void failed(void *context, const uruk_plugin_object *object, uruk_status status, const char *message) noexcept {
    plugin(context).failed(*object, Error(status, message));
  }

  static void removing(void *context, const uruk_plugin_object *object) noexcept { plugin(context).removing(*object); }

  static Result<void> add(uruk_jit *jit, std::unique_ptr<Plugin> plugin) {
    uruk_plugin_callbacks table;
    if (uruk_plugin_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    table.context = plugin.get();
    table.name = plugin->name();
    table.pre_prune = phase<&Plugin::pre_prune>;
    table.post_prune = phase<&Plugin::post_prune>;
    table.post_allocation = phase<&Plugin::post_allocation>;
    table.pre_fixup = phase<&Plugin::pre_fixup>;
    table.post_fixup = phase<&Plugin::post_fixup>;
    table.linked = linked;
    table.failed = failed;
    table.removing = removing;
    table.destroy = destroy<Plugin>;
    return give(std::move(plugin), uruk_jit_add_plugin(jit, &table));
  }
};

}  // namespace detail

}  // namespace uruk

#endif  // URUK_PLUGIN_HPP
