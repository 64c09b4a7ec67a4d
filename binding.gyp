{
  "targets": [
    {
      "target_name": "metactl",
      "conditions": [
        [
          "OS=='linux'",
          {
            "sources": [
              "native/addon.cc",
              "native/addon_support.cc",
              "native/announce.cc",
              "native/binding_file.cc",
              "native/binding_log.cc",
              "native/binding_name.cc",
              "native/binding_net.cc",
              "native/binding_notify.cc",
              "native/binding_probe.cc",
              "native/binding_process.cc",
              "native/binding_respawn.cc",
              "native/binding_spawn.cc",
              "native/binding_spawn_queue.cc",
              "native/cgroup.cc",
              "native/clone.cc",
              "native/datagram.cc",
              "native/descriptors.cc",
              "native/detached_thread.cc",
              "native/exec.cc",
              "native/exec_netns.cc",
              "native/fd_window.cc",
              "native/file.cc",
              "native/frame.cc",
              "native/huge_pages.cc",
              "native/inside.cc",
              "native/iptables.cc",
              "native/link.cc",
              "native/memory.cc",
              "native/mount.cc",
              "native/name.cc",
              "native/neighbour.cc",
              "native/netlink.cc",
              "native/netns.cc",
              "native/notify.cc",
              "native/path.cc",
              "native/poll.cc",
              "native/probe.cc",
              "native/process.cc",
              "native/procfs.cc",
              "native/respawn.cc",
              "native/store.cc",
              "native/route.cc",
              "native/spawn.cc",
              "native/spawn_child.cc",
              "native/spawn_queue.cc",
              "native/stacks.cc",
              "native/stream.cc"
            ],
            "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
            "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS", "_GNU_SOURCE"],
            "cflags!": ["-fno-exceptions"],
            "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
            "cflags": [
              "-Wall",
              "-Wextra",
              "-Werror",
              "-fPIC",
              "-fvisibility=hidden",
              "-fstack-protector-strong",
              "-D_FORTIFY_SOURCE=2"
            ],
            "cflags_cc": ["-std=gnu++17", "-fexceptions", "-fvisibility-inlines-hidden"],
            "ldflags": ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]
          },
          {"type": "none"}
        ]
      ]
    },
    {
      "target_name": "metactl-init",
      "type": "none",
      "conditions": [
        [
          "OS=='linux'",
          {
            "actions": [
              {
                "action_name": "build metactl-init",
                "inputs": ["<!@(ls native/*.cc native/*.h)", "scripts/build-init.sh"],
                "outputs": ["<(PRODUCT_DIR)/metactl-init"],
                "action": ["bash", "scripts/build-init.sh", "<(PRODUCT_DIR)/metactl-init"]
              }
            ]
          }
        ]
      ]
    }
  ]
}
