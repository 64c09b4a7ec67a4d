/** systemd's own socket, for root: there also without a D-Bus daemon; systemctl uses it too. */
export const PRIVATE_SOCKET = '/run/systemd/private';
