#include "memory.h"

#include <dlfcn.h>
#include <features.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstring>

#include "stacks.h"

namespace metactl {

namespace {

/// A function of the program that this is loaded into; null where it has none by that name.
template <typename Function>
Function find(const char* name) {
  void* found = ::dlsym(RTLD_DEFAULT, name);
  Function function = nullptr;
  std::memcpy(&function, &found, sizeof function);
  return function;
}

}  // namespace

void share_arenas() {
#ifdef __GLIBC__
  ::mallopt(M_ARENA_MAX, 1);
#endif
}

void release_memory(bool stacks) {
  // v8::Isolate::GetCurrent() and LowMemoryNotification(), which Node-API does not have. By their names, so that this addon
  // goes on working with every version of Node; without them only malloc gives back.
  auto* current = find<void* (*)()>("_ZN2v87Isolate10GetCurrentEv");
  auto* notify = find<void (*)(void*)>("_ZN2v87Isolate21LowMemoryNotificationEv");
  if (current != nullptr && notify != nullptr) notify(current());
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
  if (stacks) release_stacks();
}

}  // namespace metactl
