/** An uplink of the guest's own; its other end is in a namespace that stands for another server. */
export const UPLINK = `
ip netns add other
ip link add mtest0 type veth peer name eth0 netns other
ip addr add 198.18.76.1/24 dev mtest0
ip link set mtest0 up
ip -n other addr add 198.18.76.2/24 dev eth0
ip -n other link set eth0 up
mkdir -p /etc/metactl
printf '[network]\\npool = 198.18.76.128/25\\nuplink = mtest0\\n' > /etc/metactl/metactl.conf
`;

/** The same at each boot, before the network counts as there. */
export const UPLINK_UNIT = `cat > /usr/local/sbin/mtest-uplink <<'END'
#!/bin/bash -e
${UPLINK}
END
chmod 755 /usr/local/sbin/mtest-uplink
cat > /etc/systemd/system/mtest-uplink.service <<'END'
[Unit]
Before=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/mtest-uplink
[Install]
WantedBy=network-online.target multi-user.target
END
systemctl enable --now --quiet mtest-uplink
`;
