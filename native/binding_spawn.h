// What the bindings of spawn.h and respawn.h share.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "respawn.h"
#include "spawn.h"

namespace metactl {

/// SpawnOptions as addon.ts describes them.
SpawnOptions decode_spawn(Napi::Env env, const Napi::Object& object);

/// Throws METACTL_BAD_ARGUMENT where it is no text.
std::string text_field(const Napi::Object& object, const char* name);

/// {pid, pidfd, error, status}: the descriptors are the caller's from now on.
Napi::Object spawned_object(Napi::Env env, Spawned& made);

/// ArmOptions as addon.ts describes them.
std::unique_ptr<Armed> decode_armed(Napi::Env env, const Napi::Object& object);

/// The same with stdout, stderr and, where there is one, ready.
Napi::Object respawned_object(Napi::Env env, Respawned& made);

}  // namespace metactl
